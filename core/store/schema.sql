-- 0001 spine: registry, telemetry, alerts, accounts and accounting, whole and once.
-- Why in one step: nothing was deployed before it. Later steps only go forwards.

CREATE EXTENSION IF NOT EXISTS timescaledb;
CREATE EXTENSION IF NOT EXISTS btree_gist;

-- ---------------------------------------------------------------- places and organisations

CREATE TABLE region (
    code            text PRIMARY KEY CHECK (code ~ '^[0-9]{12}$'),
    name            text NOT NULL,
    level           text NOT NULL CHECK (level IN ('province', 'city', 'county', 'township', 'village')),
    parent_code     text REFERENCES region,
    time_zone       text NOT NULL,            -- IANA name; days and schedules are local (design 7)
    urban_rural     char(3),
    valid_from      date NOT NULL DEFAULT '1949-10-01',
    valid_to        date,
    replaced_by     text REFERENCES region
);
CREATE INDEX region_parent ON region (parent_code);

CREATE TABLE organisation (
    id              uuid PRIMARY KEY,
    name            text NOT NULL,
    org_type        text NOT NULL,
    parent_id       uuid REFERENCES organisation,
    region_code     text NOT NULL REFERENCES region,
    status          text NOT NULL DEFAULT 'operating'
                    CHECK (status IN ('planned', 'building', 'operating', 'idle', 'closed')),
    created_at      timestamptz NOT NULL
);

-- A service centre is an organisation that answers alerts.
CREATE TABLE centre (
    id              uuid PRIMARY KEY REFERENCES organisation,
    hotlines        text[] NOT NULL DEFAULT '{}',
    duty_24h        boolean NOT NULL DEFAULT true,
    takes_unidentified boolean NOT NULL DEFAULT false
);
-- Exactly one centre answers for devices that belong to nobody we know.
CREATE UNIQUE INDEX centre_default ON centre (takes_unidentified) WHERE takes_unidentified;

-- ---------------------------------------------------------------- secrets of people

-- One data key per elder, dwelling, contact or staff member, wrapped by a master key that is never stored here.
-- Destroying the row's key is erasure: every backup of the cipher text becomes noise.
CREATE TABLE data_key (
    id              uuid PRIMARY KEY,
    wrapped         bytea,                    -- NULL once destroyed
    master_key_id   text NOT NULL,
    created_at      timestamptz NOT NULL,
    destroyed_at    timestamptz,
    CHECK ((wrapped IS NULL) = (destroyed_at IS NOT NULL))
);

CREATE TABLE dwelling (
    id              uuid PRIMARY KEY,
    region_code     text NOT NULL REFERENCES region,
    centre_id       uuid NOT NULL REFERENCES centre,
    data_key_id     uuid NOT NULL REFERENCES data_key,
    address_enc     bytea NOT NULL,
    building_enc    bytea,                    -- what a masked view may show: up to the building
    door_access_enc bytea,
    lat             double precision CHECK (lat BETWEEN -90 AND 90),
    lng             double precision CHECK (lng BETWEEN -180 AND 180),
    created_at      timestamptz NOT NULL
);

CREATE TABLE zone (
    id              uuid PRIMARY KEY,
    dwelling_id     uuid NOT NULL REFERENCES dwelling,
    kind            text NOT NULL CHECK (kind IN
                    ('bedroom', 'bathroom', 'kitchen', 'living', 'entrance', 'outdoor', 'other')),
    name            text NOT NULL,
    UNIQUE (dwelling_id, name)
);

CREATE TABLE household (
    id              uuid PRIMARY KEY,
    dwelling_id     uuid NOT NULL REFERENCES dwelling,
    created_at      timestamptz NOT NULL
);
CREATE INDEX household_dwelling ON household (dwelling_id);

CREATE TABLE elder (
    id              uuid PRIMARY KEY,
    elder_no        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,   -- printed on stickers, says nothing
    region_code     text NOT NULL REFERENCES region,
    centre_id       uuid NOT NULL REFERENCES centre,
    household_id    uuid REFERENCES household,
    data_key_id     uuid NOT NULL REFERENCES data_key,
    name_enc        bytea NOT NULL,
    phone_enc       bytea,
    id_no_enc       bytea,
    name_hash       bytea NOT NULL,           -- keyed hashes: exact search without opening anything
    phone_hash      bytea,
    id_no_hash      bytea,
    gender          text NOT NULL CHECK (gender IN ('female', 'male', 'unknown')),
    birth_date      date NOT NULL,
    living_arrangement text NOT NULL,
    elder_status    text NOT NULL DEFAULT 'home'
                    CHECK (elder_status IN ('home', 'away', 'hospital', 'institution', 'paused')),
    enrolment       text NOT NULL DEFAULT 'active'
                    CHECK (enrolment IN ('pending', 'active', 'suspended', 'moved_out', 'deceased')),
    version         integer NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL
);
CREATE INDEX elder_household ON elder (household_id);
CREATE INDEX elder_centre ON elder (centre_id, id);
CREATE INDEX elder_region ON elder (region_code text_pattern_ops);
CREATE INDEX elder_name_hash ON elder (name_hash);
CREATE INDEX elder_phone_hash ON elder (phone_hash);
CREATE UNIQUE INDEX elder_id_no_hash ON elder (id_no_hash) WHERE id_no_hash IS NOT NULL;

CREATE TABLE contact (
    id              uuid PRIMARY KEY,
    elder_id        uuid NOT NULL REFERENCES elder,
    data_key_id     uuid NOT NULL REFERENCES data_key,
    name_enc        bytea NOT NULL,
    phone_enc       bytea NOT NULL,
    phone_hash      bytea NOT NULL,
    relation        text NOT NULL,
    priority        smallint NOT NULL DEFAULT 1,
    is_guardian     boolean NOT NULL DEFAULT false,
    is_keyholder    boolean NOT NULL DEFAULT false,
    created_at      timestamptz NOT NULL
);
CREATE INDEX contact_elder ON contact (elder_id, priority);

CREATE TABLE staff (
    id              uuid PRIMARY KEY,
    organisation_id uuid NOT NULL REFERENCES organisation,
    data_key_id     uuid NOT NULL REFERENCES data_key,
    name_enc        bytea NOT NULL,
    phone_enc       bytea,
    employment      text NOT NULL DEFAULT 'staff'
                    CHECK (employment IN ('staff', 'contract', 'volunteer')),
    created_at      timestamptz NOT NULL
);

-- ---------------------------------------------------------------- accounts

CREATE TABLE account (
    id              uuid PRIMARY KEY,
    username        text NOT NULL UNIQUE CHECK (username ~ '^[a-z0-9][a-z0-9._-]{1,62}$'),
    password_hash   text NOT NULL,            -- Argon2id
    display_name    text NOT NULL,            -- a seat's name ("坐席 1"), never a private person's
    staff_id        uuid REFERENCES staff,
    locale          text NOT NULL DEFAULT 'zh-CN' CHECK (locale IN ('zh-CN', 'en')),
    scope_version   integer NOT NULL DEFAULT 1,   -- grows with every change of role or scope: sockets close on it
    disabled_at     timestamptz,
    created_at      timestamptz NOT NULL
);

CREATE TABLE role_assignment (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account,
    role            text NOT NULL CHECK (role IN
                    ('admin', 'operator', 'shift_supervisor', 'responder', 'visitor', 'family_member', 'regulator')),
    centre_id       uuid REFERENCES centre,       -- for the staff of a centre
    region_code     text REFERENCES region,   -- for a regulator: this region and all below it
    valid           tstzrange NOT NULL DEFAULT tstzrange('-infinity', NULL),
    CHECK (role NOT IN ('operator', 'shift_supervisor', 'responder', 'visitor') OR centre_id IS NOT NULL),
    CHECK (role <> 'regulator' OR region_code IS NOT NULL)
);
CREATE INDEX role_assignment_account ON role_assignment (account_id);

-- Which elders a family member follows, and what of them.
CREATE TABLE family_link (
    id              uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account,
    elder_id        uuid NOT NULL REFERENCES elder,
    can_view        text[] NOT NULL DEFAULT '{alerts}',   -- alerts, vitals, location, visits, orders, bills
    valid           tstzrange NOT NULL,
    EXCLUDE USING gist (account_id WITH =, elder_id WITH =, valid WITH &&)
);

CREATE TABLE refresh_token (
    id              uuid PRIMARY KEY,
    family_id       uuid NOT NULL,
    account_id      uuid NOT NULL REFERENCES account,
    token_hash      bytea NOT NULL UNIQUE,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    rotated_at      timestamptz,
    revoked_at      timestamptz
);
CREATE INDEX refresh_token_family ON refresh_token (family_id);

-- Failed sign-ins by (keyed hash of) user name: the delay grows, nobody is locked out.
CREATE TABLE sign_in_failure (
    name_hash       bytea PRIMARY KEY,
    failures        integer NOT NULL,
    last_at         timestamptz NOT NULL
);

CREATE TABLE idempotency (
    account_id      uuid NOT NULL,
    method          text NOT NULL,
    path            text NOT NULL,
    key             text NOT NULL,
    body_hash       bytea NOT NULL,
    status          smallint,                 -- NULL while the first request is still running
    response        bytea,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (account_id, method, path, key)
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- Who looked at what of whom, and why. Appended plainly; sealed in order a second later.
CREATE TABLE access_log (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL,
    actor_id        uuid,                     -- NULL: the platform itself
    action          text NOT NULL,            -- read, reveal, search, export, change
    subject_kind    text NOT NULL,
    subject_id      text NOT NULL,
    fields          text[] NOT NULL DEFAULT '{}',
    reason          text,
    request_id      text
);
CREATE INDEX access_log_subject ON access_log (subject_kind, subject_id, id);
CREATE TABLE access_seal (
    up_to_id        bigint PRIMARY KEY,
    from_id         bigint NOT NULL,
    rows            integer NOT NULL,
    sealed_at       timestamptz NOT NULL,
    head            bytea NOT NULL            -- HMAC(previous head, rows)
);

-- ---------------------------------------------------------------- devices

CREATE TABLE device_model (
    id              uuid PRIMARY KEY,
    name            text NOT NULL UNIQUE,     -- what `model` of the API names
    vendor          text NOT NULL,
    device_type     text NOT NULL,
    supervision_class_s integer NOT NULL DEFAULT 90000
                    CHECK (supervision_class_s IN (90, 180, 18000, 90000)),
    has_countdown   boolean NOT NULL DEFAULT false
);

CREATE TABLE device (
    id              text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    device_no       integer GENERATED ALWAYS AS IDENTITY UNIQUE,  -- the key of telemetry rows: 4 bytes, not 64
    model_id        uuid NOT NULL REFERENCES device_model,
    hub_id          text REFERENCES device,
    centre_id       uuid REFERENCES centre,
    lifecycle       text NOT NULL DEFAULT 'in_stock'
                    CHECK (lifecycle IN ('in_stock', 'installed', 'active', 'faulty', 'lost', 'retired')),
    created_at      timestamptz NOT NULL,
    retired_at      timestamptz,
    CHECK (hub_id <> id)
);
CREATE INDEX device_hub ON device (hub_id);

-- What the broker must accept. The password itself is shown once and never stored.
CREATE TABLE broker_credential (
    username        text PRIMARY KEY,
    device_id       text REFERENCES device,   -- NULL: a part of the platform
    password_hash   text NOT NULL,            -- in the form Mosquitto reads
    issued_at       timestamptz NOT NULL,
    revoked_at      timestamptz
);

-- An event belongs to whoever the device was bound to when it happened.
CREATE TABLE device_binding (
    id              uuid PRIMARY KEY,
    device_id       text NOT NULL REFERENCES device,
    elder_id        uuid REFERENCES elder,
    dwelling_id     uuid REFERENCES dwelling,
    zone_id         uuid REFERENCES zone,
    valid           tstzrange NOT NULL CHECK (NOT isempty(valid)),
    created_at      timestamptz NOT NULL,
    CHECK (num_nonnulls(elder_id, dwelling_id) = 1),
    EXCLUDE USING gist (device_id WITH =, valid WITH &&)
);
CREATE INDEX device_binding_elder ON device_binding (elder_id);
CREATE INDEX device_binding_dwelling ON device_binding (dwelling_id);

CREATE TABLE device_command (
    id              uuid PRIMARY KEY,
    device_id       text NOT NULL REFERENCES device,
    type            text NOT NULL CHECK (type IN ('locate', 'ring', 'self_test', 'measure', 'configure', 'say')),
    params          jsonb NOT NULL DEFAULT '{}',
    status          text NOT NULL DEFAULT 'queued'
                    CHECK (status IN ('queued', 'sent', 'done', 'refused', 'failed', 'expired')),
    detail          text,
    created_by      uuid REFERENCES account,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    sent_at         timestamptz,
    finished_at     timestamptz
);
CREATE INDEX device_command_queue ON device_command (created_at) WHERE status = 'queued';

-- ---------------------------------------------------------------- what devices say

-- Exactly once: written first in every batch, kept longer than the oldest event we accept (30 d + 5 d).
-- A plain table, because a hypertable cannot be unique without its time column.
CREATE TABLE event_key (
    device_no       integer NOT NULL,         -- the publishing device, not the child
    key             bytea NOT NULL,           -- 16 bytes, see ingest/keys.py
    worker          smallint NOT NULL,
    received_at     timestamptz NOT NULL,
    PRIMARY KEY (device_no, key)
);
CREATE INDEX event_key_received ON event_key USING brin (received_at) WITH (autosummarize = on);

CREATE TABLE reading (
    device_no       integer NOT NULL,
    metric          smallint NOT NULL,        -- core/domain/metrics.py
    at              timestamptz NOT NULL,
    value           double precision NOT NULL,
    suspect         boolean NOT NULL DEFAULT false
);
SELECT create_hypertable('reading', 'at', chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
-- Not unique: event_key, written in the same transaction, is the one guard against doubling, and two
-- readings that a device stamped alike are two readings (docs/adr/0003).
CREATE INDEX reading_series ON reading (device_no, metric, at DESC);
-- For the roller, which reads all readings of a minute whatever their device.
CREATE INDEX reading_time ON reading USING brin (at) WITH (autosummarize = on, pages_per_range = 32);

CREATE TABLE event (
    device_no       integer NOT NULL,
    at              timestamptz NOT NULL,
    received_at     timestamptz NOT NULL,
    type            text NOT NULL,
    value           jsonb,
    zone            text,
    key             bytea NOT NULL,
    suspect         boolean NOT NULL DEFAULT false,
    clock_suspect   boolean NOT NULL DEFAULT false
);
SELECT create_hypertable('event', 'at', chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
CREATE INDEX event_series ON event (device_no, at DESC);
CREATE INDEX event_time ON event (at DESC);

CREATE TABLE position (
    device_no       integer NOT NULL,
    at              timestamptz NOT NULL,
    lat             double precision NOT NULL,
    lng             double precision NOT NULL,
    accuracy_m      real,
    source          text
);
SELECT create_hypertable('position', 'at', chunk_time_interval => INTERVAL '1 day', create_default_indexes => false);
CREATE INDEX position_series ON position (device_no, at DESC);

CREATE TABLE dead_letter (
    received_at     timestamptz NOT NULL,
    id              uuid NOT NULL,
    topic           text NOT NULL,
    device_id       text,
    lane            text NOT NULL,
    event_index     integer,                  -- NULL: the whole message
    reason          text NOT NULL,
    detail          text NOT NULL,
    payload         bytea NOT NULL,           -- the rejected event or message, cut at 256 KiB
    replayed_at     timestamptz,
    events          integer NOT NULL DEFAULT 1 -- rejections it stands for: what is above a device's rate is kept together
);
SELECT create_hypertable('dead_letter', 'received_at', chunk_time_interval => INTERVAL '7 days', create_default_indexes => false);
CREATE INDEX dead_letter_time ON dead_letter (received_at DESC);

-- Current state, only ever forwards. Not indexed beyond its key: every message moves it.
CREATE TABLE device_state (
    device_no       integer PRIMARY KEY,
    last_at         timestamptz NOT NULL,     -- newest event time
    last_seen       timestamptz NOT NULL,     -- newest receive time: liveness
    battery_pct     real,
    battery_at      timestamptz,
    worn            boolean,
    worn_at         timestamptz,
    link            text,                     -- online, offline: birth and last will
    link_at         timestamptz,
    link_from       text                      -- session that said it: an older session's late last will is no news
) WITH (fillfactor = 70);

CREATE TABLE ingest_count (
    worker          smallint NOT NULL,
    lane            text NOT NULL,
    outcome         text NOT NULL,            -- received, accepted, duplicate, echo, rejected, ignored
    events          bigint NOT NULL,
    PRIMARY KEY (worker, lane, outcome)
) WITH (fillfactor = 50);

-- What each minute should hold: written by the transaction that wrote the rows, held against them by the accounting.
CREATE TABLE ingest_minute (
    worker          smallint NOT NULL,
    lane            text NOT NULL,            -- alarm, telemetry, control; purged, written_off: rows that went; opened
    minute          timestamptz NOT NULL,     -- of receipt; -infinity: everything older, summed up
    keys            bigint NOT NULL,          -- rows entered into event_key
    dead_letters    bigint NOT NULL,
    PRIMARY KEY (worker, lane, minute)
) WITH (fillfactor = 50);
CREATE INDEX ingest_minute_time ON ingest_minute (minute);
-- How far each worker's spool is in the database, written by the transaction that stores what is before it. A segment
-- is named by an id of its own: a spool folder that was replaced is never taken for the one the row speaks of.
CREATE TABLE ingest_spool_position (
    worker          smallint NOT NULL,
    lane            text NOT NULL,            -- alarm, telemetry
    segment         uuid NOT NULL,
    position        bigint NOT NULL,          -- bytes from the start of the segment
    at              timestamptz NOT NULL,
    PRIMARY KEY (worker, lane)
);

-- ---------------------------------------------------------------- roll-ups of readings

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

-- ---------------------------------------------------------------- alerts

CREATE TABLE alert (
    id              uuid PRIMARY KEY,
    alert_no        bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    version         integer NOT NULL,
    seq             bigint NOT NULL,          -- of its newest alert_event
    subject_kind    text NOT NULL CHECK (subject_kind IN ('elder', 'dwelling', 'device')),
    subject_id      text NOT NULL,            -- never NULL: a NULL would slip past the unique key below
    elder_id        uuid REFERENCES elder,
    elder_ids       uuid[] NOT NULL DEFAULT '{}',   -- everybody who lives with it: family scope
    centre_id       uuid NOT NULL REFERENCES centre,
    region_code     text NOT NULL,
    rule            text NOT NULL,
    rule_version    integer NOT NULL,
    severity        text NOT NULL CHECK (severity IN ('p0', 'p1', 'p2', 'p3')),
    boost           boolean NOT NULL DEFAULT false,
    status          text NOT NULL CHECK (status IN ('pending_confirm', 'open', 'acknowledged', 'verifying',
                    'dispatched', 'on_scene', 'resolved', 'closed')),
    title           text NOT NULL,
    reason          text NOT NULL,
    presses         integer NOT NULL DEFAULT 1,
    opened_at       timestamptz NOT NULL,
    event_at        timestamptz NOT NULL,
    last_pressed_at timestamptz NOT NULL,
    delayed         boolean NOT NULL DEFAULT false,
    clock_suspect   boolean NOT NULL DEFAULT false,
    test            boolean NOT NULL DEFAULT false,
    evidence        jsonb NOT NULL DEFAULT '[]',
    location        jsonb,
    owner_id        uuid REFERENCES account,
    owner_since     timestamptz,
    escalation_level smallint NOT NULL DEFAULT 0,
    clocks          jsonb NOT NULL DEFAULT '[]',
    dispatches      jsonb NOT NULL DEFAULT '[]',
    parent_alert_id uuid REFERENCES alert,
    verified        text CHECK (verified IN ('real', 'false', 'no_answer')),   -- the newest answer of `verify`
    outcome         text,                     -- of `resolve`
    close_code      text,
    note            text,
    resolved_at     timestamptz,
    closed_at       timestamptz,
    confirm_due_at  timestamptz,              -- pending_confirm opens by itself then
    CHECK ((status = 'closed') = (closed_at IS NOT NULL))
);
-- One live alert per subject and rule, whoever raises it and however often.
CREATE UNIQUE INDEX alert_live ON alert (subject_kind, subject_id, rule) WHERE status NOT IN ('resolved', 'closed');
CREATE INDEX alert_newest ON alert (opened_at DESC, id DESC);
CREATE INDEX alert_centre_live ON alert (centre_id) WHERE status <> 'closed';
CREATE INDEX alert_elder ON alert (elder_id, opened_at DESC);
CREATE INDEX alert_elders ON alert USING gin (elder_ids);   -- the timeline of everybody who lives there
CREATE INDEX alert_confirm_due ON alert (confirm_due_at) WHERE status = 'pending_confirm';
CREATE INDEX alert_subject ON alert (subject_kind, subject_id, rule, opened_at DESC);
-- What intake reads for every cry: the unclosed alerts of a subject and of an elder, however many closed ones lie behind.
CREATE INDEX alert_subject_unclosed ON alert (subject_kind, subject_id) WHERE status <> 'closed';
CREATE INDEX alert_elder_unclosed ON alert (elder_id) WHERE status <> 'closed';

-- The one counter that numbers alert events without gaps: taken as the last statement before the commit,
-- so a smaller number is never committed after a larger one was seen (design 5).
CREATE TABLE alert_counter (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq             bigint NOT NULL
);
INSERT INTO alert_counter (seq) VALUES (0);

-- Append-only: audit trail, outbox and live feed at once.
CREATE TABLE alert_event (
    seq             bigint PRIMARY KEY,
    alert_id        uuid NOT NULL REFERENCES alert,
    type            text NOT NULL,            -- alert.opened, alert.pressed, alert.acknowledged, …
    at              timestamptz NOT NULL,
    actor_kind      text NOT NULL CHECK (actor_kind IN ('device', 'system', 'account', 'elder')),
    actor_id        text,
    detail          jsonb NOT NULL DEFAULT '{}',
    alert           jsonb NOT NULL            -- the alert as it stood after this event
);
CREATE INDEX alert_event_alert ON alert_event (alert_id, seq);

CREATE FUNCTION alert_event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'alert_event is append-only' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER alert_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON alert_event
    FOR EACH STATEMENT EXECUTE FUNCTION alert_event_is_append_only();

-- A console that is connected, and whether a person could hear it.
CREATE TABLE seat (
    session_id      uuid PRIMARY KEY,
    account_id      uuid NOT NULL REFERENCES account,
    connected_at    timestamptz NOT NULL,
    last_seen_at    timestamptz NOT NULL,
    audible         boolean,
    visible         boolean,
    idle_s          integer
);
CREATE INDEX seat_account ON seat (account_id, last_seen_at DESC);

-- What a running part says of itself; /readyz and the watch over the engine read it.
CREATE TABLE component_pulse (
    component       text NOT NULL,            -- ingest-1, engine-1, …
    detail          jsonb NOT NULL DEFAULT '{}',
    at              timestamptz NOT NULL,
    PRIMARY KEY (component)
);

-- Anything the caches of other processes hold was changed: they refresh at once (and poll anyway).
CREATE FUNCTION registry_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('registry_changed', TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER device_changed AFTER INSERT OR UPDATE OR DELETE ON device
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER device_binding_changed AFTER INSERT OR UPDATE OR DELETE ON device_binding
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER elder_changed AFTER INSERT OR UPDATE OR DELETE ON elder
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER broker_credential_changed AFTER INSERT OR UPDATE OR DELETE ON broker_credential
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER account_changed AFTER INSERT OR UPDATE OR DELETE ON account
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER role_assignment_changed AFTER INSERT OR UPDATE OR DELETE ON role_assignment
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
CREATE TRIGGER family_link_changed AFTER INSERT OR UPDATE OR DELETE ON family_link
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
