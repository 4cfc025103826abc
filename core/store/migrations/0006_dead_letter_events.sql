-- What a device sends above its rate is kept many events to a row: how many rejections a row stands for.
ALTER TABLE dead_letter ADD COLUMN events integer NOT NULL DEFAULT 1;
