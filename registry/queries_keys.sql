-- insert_data_key --
INSERT INTO data_key (id, wrapped, master_key_id, created_at)
VALUES (%(id)s, %(wrapped)s, %(master_key_id)s, %(now)s);

-- destroy_data_keys --
UPDATE data_key
SET wrapped = NULL, destroyed_at = %(now)s
WHERE id = ANY(%(ids)s::uuid[]) AND destroyed_at IS NULL;
