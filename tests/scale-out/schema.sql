-- Mail in PostgreSQL 14 or later, in a database of its own: the advisory locks of a database have one number each, and here
-- they are the ids of maildrops.
--
-- Every key begins with the maildrop, so that all that a session touches lies together, and the tables can be partitioned
-- or moved to several databases by it.

BEGIN;

-- What all servers of this database have in common.
CREATE TABLE setting (
    only_one     boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    -- From which the salts of unknown users are made up: servers that made up different ones would give away who is none.
    decoy_secret bytea NOT NULL CHECK (octet_length(decoy_secret) >= 16)
);
INSERT INTO setting (decoy_secret)
    VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

CREATE TABLE maildrop (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- As SASLprep makes it (RFC 4013).
    name     text COLLATE "C" NOT NULL UNIQUE CHECK (name <> '' AND octet_length(name) <= 255),
    -- {SCRAM-SHA-256}iterations,salt,stored key,server key. NULL: nobody can log in.
    password text CHECK (password LIKE '{SCRAM-SHA-256}%')
);

-- Neither number is ever given again. A restored backup sets both back: the random half of a unique-id tells the new
-- message from the lost one then.
CREATE SEQUENCE message_id AS bigint NO CYCLE;
CREATE SEQUENCE unique_id AS bigint NO CYCLE;

CREATE TABLE message (
    maildrop  bigint NOT NULL REFERENCES maildrop ON DELETE CASCADE,
    -- Messages are numbered in this order: the order of their delivery.
    id        bigint NOT NULL DEFAULT nextval('message_id'),
    -- R1939-7.2, R1939-7.3
    unique_id text COLLATE "C" NOT NULL
        DEFAULT lpad(to_hex(nextval('unique_id')), 16, '0') || lpad(to_hex(floor(random() * 4294967296)::bigint), 8, '0')
        CHECK (unique_id ~ '^[!-~]{1,70}$'),
    -- What RETR sends, before byte-stuffing: the sum over the pieces.
    octets    bigint NOT NULL CHECK (octets >= 0),
    received  timestamptz NOT NULL DEFAULT now(),
    -- A login reads this index and no row.
    PRIMARY KEY (maildrop, id) INCLUDE (octets, unique_id),
    UNIQUE (maildrop, unique_id)
);

-- The message as it goes over the wire, every line with CRLF, in pieces that are read one at a time. Compression would have
-- a server unpack what the network may carry packed, and pieces are looked up whole: out of line, as they are.
CREATE TABLE piece (
    maildrop bigint NOT NULL,
    message  bigint NOT NULL,
    number   integer NOT NULL CHECK (number >= 0),
    octets   bytea NOT NULL CHECK (octet_length(octets) BETWEEN 1 AND 65536),
    PRIMARY KEY (maildrop, message, number),
    -- Deferred, so that the octets can be stored as they come, and counted before the message is made of them.
    FOREIGN KEY (maildrop, message) REFERENCES message ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE piece ALTER COLUMN octets SET STORAGE EXTERNAL;

-- Messages that are not what they say: a row here is a fault of whoever stored it, and RETR of it breaks off.
CREATE VIEW damaged AS
    SELECT m.maildrop, m.id, m.octets, coalesce(sum(octet_length(p.octets)), 0) AS stored
    FROM message m LEFT JOIN piece p ON p.maildrop = m.maildrop AND p.message = m.id
    GROUP BY m.maildrop, m.id
    HAVING m.octets <> coalesce(sum(octet_length(p.octets)), 0) OR count(p.number) <> coalesce(max(p.number) + 1, 0);

COMMIT;
