-- 0002 history: roll-ups of readings, and what keeps them exact (docs/history.md).

-- One row a device, metric and minute (hour) that holds a reading; `at` is its beginning. The key carries the values, so
-- that a year of one series is read from a few pages of the index instead of one page an hour.
CREATE TABLE reading_1m (
    device_no       integer NOT NULL,
    metric          smallint NOT NULL,
    at              timestamptz NOT NULL,
    min             double precision NOT NULL,
    max             double precision NOT NULL,
    sum             double precision NOT NULL,
    count           integer NOT NULL,
    PRIMARY KEY (device_no, metric, at) INCLUDE (min, max, sum, count)
);
SELECT create_hypertable('reading_1m', 'at', chunk_time_interval => INTERVAL '7 days', create_default_indexes => false);
CREATE INDEX reading_1m_time ON reading_1m (at);

CREATE TABLE reading_1h (
    device_no       integer NOT NULL,
    metric          smallint NOT NULL,
    at              timestamptz NOT NULL,
    min             double precision NOT NULL,
    max             double precision NOT NULL,
    sum             double precision NOT NULL,
    count           integer NOT NULL,
    PRIMARY KEY (device_no, metric, at) INCLUDE (min, max, sum, count)
);
SELECT create_hypertable('reading_1h', 'at', chunk_time_interval => INTERVAL '30 days', create_default_indexes => false);
CREATE INDEX reading_1h_time ON reading_1h (at);

-- Days are local: one row a day and time zone, `at` its local midnight. Kept for ever, so no hypertable.
CREATE TABLE reading_1d (
    device_no       integer NOT NULL,
    metric          smallint NOT NULL,
    time_zone       text NOT NULL,
    at              timestamptz NOT NULL,
    min             double precision NOT NULL,
    max             double precision NOT NULL,
    sum             double precision NOT NULL,
    count           integer NOT NULL,
    PRIMARY KEY (device_no, metric, time_zone, at) INCLUDE (min, max, sum, count)
);

-- Late readings: this hour of this series must be computed again. Appended in the transaction that stores the reading,
-- never unique (two workers must not wait for each other), deleted in the transaction that repairs.
CREATE TABLE reading_dirty (
    device_no       integer NOT NULL,
    metric          smallint NOT NULL,
    hour            timestamptz NOT NULL,
    marked_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reading_dirty_series ON reading_dirty (device_no, metric, hour);
CREATE INDEX reading_dirty_marked ON reading_dirty (marked_at);

-- How far the roll-ups are. Half-open: up to, but without. `*_from`: older rows were dropped by retention.
CREATE TABLE rollup_state (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    closed_up_to    timestamptz NOT NULL DEFAULT '-infinity',   -- whoever stores a reading before this marks its hour dirty
    rolled_up_to    timestamptz NOT NULL DEFAULT '-infinity',   -- minutes and hours that end by then are written
    raw_from        timestamptz NOT NULL DEFAULT '-infinity',
    minutes_from    timestamptz NOT NULL DEFAULT '-infinity',
    hours_from      timestamptz NOT NULL DEFAULT '-infinity',
    CHECK (rolled_up_to <= closed_up_to)
);
INSERT INTO rollup_state DEFAULT VALUES;

-- The days of each time zone that `region` names: from which to which local midnight they are written.
CREATE TABLE rollup_zone (
    time_zone       text PRIMARY KEY,
    days_from       timestamptz NOT NULL,
    days_up_to      timestamptz NOT NULL,
    CHECK (days_from <= days_up_to)
);
