//! A small database worth looking at: knots, who tied them, and how they held.

/// The tables and their rows.
pub(super) const SQL: &str = r#"
CREATE TABLE knots (
    name     text PRIMARY KEY,
    family   text NOT NULL,
    strength numeric(4,2) NOT NULL CHECK (strength BETWEEN 0 AND 1),
    used_for text NOT NULL
);
COMMENT ON TABLE knots IS 'strength is the share of the rope''s own strength that the knot leaves';
INSERT INTO knots VALUES
    ('bowline',       'loop',    0.65, 'a loop that does not slip'),
    ('figure eight',  'stopper', 0.78, 'the end of a climbing rope'),
    ('clove hitch',   'hitch',   0.64, 'a rope on a post, for a while'),
    ('sheet bend',    'bend',    0.55, 'two ropes of different size'),
    ('reef knot',     'binding', 0.45, 'a parcel, never two ropes that carry'),
    ('double fisherman', 'bend', 0.69, 'a cord that stays closed'),
    ('trucker hitch', 'hitch',   0.60, 'a load that must not move'),
    ('alpine butterfly', 'loop', 0.70, 'a loop in the middle of a rope');

CREATE TABLE sailors (
    id     integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name   text NOT NULL,
    aboard date NOT NULL
);
INSERT INTO sailors (name, aboard) VALUES
    ('Ada', '2019-04-01'), ('Grace', '2020-09-15'), ('Edsger', '2021-01-30'), ('Barbara', '2022-06-06'), ('Ken', '2023-11-11');

CREATE TABLE ties (
    id     bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    sailor integer NOT NULL REFERENCES sailors,
    knot   text NOT NULL REFERENCES knots,
    tied   timestamptz NOT NULL,
    held   boolean NOT NULL
);
INSERT INTO ties (sailor, knot, tied, held)
SELECT 1 + n % 5,
       (ARRAY['bowline','figure eight','clove hitch','sheet bend','reef knot','double fisherman','trucker hitch','alpine butterfly'])[1 + n * 7 % 8],
       timestamptz '2026-01-01 08:00+00' + n * interval '37 minutes',
       n % 11 <> 0
FROM generate_series(1, 2000) AS n;

CREATE VIEW reliability AS
SELECT knot, count(*) AS tied, round(100.0 * avg(held::int), 1) AS held_percent
FROM ties GROUP BY knot ORDER BY knot;
"#;

/// What the demo asks.
pub(super) const QUESTION: &str =
    "SELECT name, family, strength FROM knots WHERE strength > 0.65 ORDER BY strength DESC";

/// What must stand in the answer.
pub(super) const ANSWER: &str = "figure eight";
