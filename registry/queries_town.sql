-- what_is_here --
SELECT count(*) FILTER (WHERE left(code, 2) = '99') > 0 AS town,
       count(*) FILTER (WHERE left(code, 2) <> '99') > 0 AS others
FROM region;

-- one_at_a_time --
LOCK TABLE region IN SHARE ROW EXCLUSIVE MODE;

-- set_lifecycles --
UPDATE device SET lifecycle = %(lifecycle)s WHERE id = ANY(%(ids)s);
