-- Blocking rules, in their order: each query gives one row per profile and key it has under the rule.
-- A key is a 64-bit hash of rule and value; a blank value gives no row. Within a rule several values
-- may stand side by side (given name and birth date, family name and birth date): as they share one
-- name space, swapped names meet all the same.

-- name: tax_id
-- Same tax id.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id, hashtextextended(p.tax_id, :rule_id) AS key
FROM :profiles AS p WHERE p.tax_id IS NOT NULL

-- name: customer_number
-- Same customer number, which some systems share.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(p.customer_number, :rule_id) AS key
FROM :profiles AS p WHERE p.customer_number IS NOT NULL

-- name: identifiers
-- Same value of a further attribute of type identifier.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(x.key || '=' || x.value, :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL jsonb_each_text(p.extra) AS x
WHERE p.extra IS NOT NULL AND x.key = ANY (:identifiers)

-- name: email
-- Same e-mail address.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id, hashtextextended(p.email, :rule_id) AS key
FROM :profiles AS p WHERE p.email IS NOT NULL

-- name: phone
-- Same last seven digits of the phone number.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(right(p.phone, 7), :rule_id) AS key
FROM :profiles AS p WHERE p.phone IS NOT NULL

-- name: name_birth
-- Same birth date and one name in common.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(n.part, :rule_id) # hashint8extended(p.date_of_birth - date '1900-01-01', 1)
           AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name), (p.middle_name)) AS n (part)
WHERE p.date_of_birth IS NOT NULL AND n.part IS NOT NULL

-- name: name_postcode
-- Same postcode and one name in common.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(n.part, :rule_id) # hashtextextended(p.postcode, 1) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name), (p.middle_name)) AS n (part)
WHERE p.postcode IS NOT NULL AND n.part IS NOT NULL

-- name: full_name
-- Same given and family name, in either order.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(least(p.given_name, p.family_name) || '|'
                        || greatest(p.given_name, p.family_name), :rule_id) AS key
FROM :profiles AS p WHERE p.given_name IS NOT NULL AND p.family_name IS NOT NULL

-- name: organisation
-- Same name of an organisation, blanks apart.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(replace(p.organisation, ' ', ''), :rule_id) AS key
FROM :profiles AS p WHERE p.organisation IS NOT NULL AND p.family_name IS NULL

-- name: street_number
-- Same house number and a longer word of the street, one of two, or the end of the first if it is long:
-- what is mistyped is mostly before it. Most lines begin with number and word: there blanks tell the words
-- apart, in a fraction of the time that patterns need for the others, and a third word is mostly too short to
-- be looked at. (An array, because a LATERAL list of values is made ready anew for each row.) Kinds of
-- streets that are names as well stay, as cres and gdns in "175 crescent place" and "12 gardens road".
SELECT w.profile_id, CAST(:rule_id AS smallint) AS rule_id, hashtextextended(w.value, :rule_id) AS key
FROM (SELECT p.profile_id, unnest(CASE
          WHEN split_part(p.street, ' ', 1) ~ '^\d+$' AND split_part(p.street, ' ', 2) ~ '^[a-z]{4,}$'
          THEN ARRAY[
              split_part(p.street, ' ', 1) || ' ' || split_part(p.street, ' ', 2),
              CASE WHEN length(split_part(p.street, ' ', 3)) >= 4
                        AND split_part(p.street, ' ', 3) ~ '^[a-z]+$'
                   THEN split_part(p.street, ' ', 1) || ' ' || split_part(p.street, ' ', 3) END,
              CASE WHEN length(split_part(p.street, ' ', 2)) >= 8
                   THEN split_part(p.street, ' ', 1) || ' ' || right(split_part(p.street, ' ', 2), 4) END]
          ELSE ARRAY[
              substring(p.street FROM '\d+') || ' ' || substring(p.street FROM '[a-z]{4,}'),
              substring(p.street FROM '\d+') || ' ' || regexp_substr(p.street, '[a-z]{4,}', 1, 2),
              substring(p.street FROM '\d+') || ' '
                  || right(substring(p.street FROM '[a-z]{8,}'), 4)]
          END) AS value
      FROM :profiles AS p WHERE p.street IS NOT NULL) AS w
WHERE split_part(w.value, ' ', 2) NOT IN
    ('allee', 'bldg', 'blvd', 'calle', 'expy', 'pkwy', 'tpke', 'unit')

-- name: email_local
-- Same part of the e-mail address before the @, when it is long enough to mean something.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(split_part(p.email, '@', 1), :rule_id) AS key
FROM :profiles AS p WHERE position('@' IN p.email) > 4

-- name: birth_postcode
-- Same birth date and postcode.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(p.postcode, :rule_id)
           # hashint8extended(p.date_of_birth - date '1900-01-01', 1) AS key
FROM :profiles AS p WHERE p.date_of_birth IS NOT NULL AND p.postcode IS NOT NULL

-- name: birth_city
-- Same birth date and city.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(p.city, :rule_id)
           # hashint8extended(p.date_of_birth - date '1900-01-01', 1) AS key
FROM :profiles AS p WHERE p.date_of_birth IS NOT NULL AND p.city IS NOT NULL

-- name: initial_birth
-- Same birth date and first letter of the given name.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(left(p.given_name, 1), :rule_id)
           # hashint8extended(p.date_of_birth - date '1900-01-01', 1) AS key
FROM :profiles AS p WHERE p.date_of_birth IS NOT NULL AND p.given_name IS NOT NULL

-- name: sound_city
-- Same city and a name that sounds alike.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(n.sound, :rule_id) # hashtextextended(p.city, 1) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name)) AS part (name)
CROSS JOIN LATERAL (SELECT left(part.name, 1) || regexp_replace(translate(substr(part.name, 2),
    'bfpvwcgkjqsxzdtmnlraeiouyh ', '1111122222222335567'), '(.)\1+', '\1', 'g') AS sound) AS n
WHERE p.city IS NOT NULL AND n.sound IS NOT NULL

-- name: sounds
-- Both names sound alike, in either order.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(least(g.sound, f.sound) || '|' || greatest(g.sound, f.sound), :rule_id)
           AS key
FROM :profiles AS p
CROSS JOIN LATERAL (SELECT left(p.given_name, 1) || regexp_replace(translate(
    substr(p.given_name, 2), 'bfpvwcgkjqsxzdtmnlraeiouyh ', '1111122222222335567'),
    '(.)\1+', '\1', 'g') AS sound) AS g
CROSS JOIN LATERAL (SELECT left(p.family_name, 1) || regexp_replace(translate(
    substr(p.family_name, 2), 'bfpvwcgkjqsxzdtmnlraeiouyh ', '1111122222222335567'),
    '(.)\1+', '\1', 'g') AS sound) AS f
WHERE p.given_name IS NOT NULL AND p.family_name IS NOT NULL

-- name: sound_birth_year
-- Same year of birth and a name that sounds alike.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(n.sound, :rule_id)
           # hashint8extended(extract(year FROM p.date_of_birth)::bigint, 1) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name)) AS part (name)
CROSS JOIN LATERAL (SELECT left(part.name, 1) || regexp_replace(translate(substr(part.name, 2),
    'bfpvwcgkjqsxzdtmnlraeiouyh ', '1111122222222335567'), '(.)\1+', '\1', 'g') AS sound) AS n
WHERE p.date_of_birth IS NOT NULL AND n.sound IS NOT NULL

-- name: sound_area
-- Same postcode but for its last two characters, and a name that sounds alike.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(n.sound, :rule_id)
           # hashtextextended(left(p.postcode, length(p.postcode) - 2), 1) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name)) AS part (name)
CROSS JOIN LATERAL (SELECT left(part.name, 1) || regexp_replace(translate(substr(part.name, 2),
    'bfpvwcgkjqsxzdtmnlraeiouyh ', '1111122222222335567'), '(.)\1+', '\1', 'g') AS sound) AS n
WHERE length(p.postcode) > 3 AND n.sound IS NOT NULL

-- name: organisation_postcode
-- Same postcode and one of the first two longer words of an organisation's name.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(w.word, :rule_id) # hashtextextended(p.postcode, 1) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (substring(p.organisation FROM '[a-z]{4,}')),
                           (regexp_substr(p.organisation, '[a-z]{4,}', 1, 2))) AS w (word)
WHERE p.organisation IS NOT NULL AND p.family_name IS NULL
  AND p.postcode IS NOT NULL AND w.word IS NOT NULL

-- name: street
-- Same street line.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id, hashtextextended(p.street, :rule_id) AS key
FROM :profiles AS p WHERE p.street IS NOT NULL

-- name: name_start
-- One name in common, and the first two letters of the other: names are mostly mistyped behind them.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(n.one || '|' || left(n.other, 2), :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name, p.family_name), (p.family_name, p.given_name)) AS n (one, other)
WHERE p.given_name IS NOT NULL AND p.family_name IS NOT NULL

-- name: organisation_words
-- A longer word of an organisation's name that sounds alike; or the first three letters of the first two
-- words. Common words make blocks over the cap.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id, hashtextextended(w.value, :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (
    SELECT left(word, 1) || regexp_replace(translate(substr(word, 2),
        'bfpvwcgkjqsxzdtmnlraeiouyh', '1111122222222335567'), '(.)\1+', '\1', 'g') AS value
    FROM string_to_table(p.organisation, ' ') AS word WHERE length(word) > 3
    UNION
    SELECT left(p.organisation, 3) || ' ' || left(split_part(p.organisation, ' ', 2), 3)) AS w
WHERE p.organisation IS NOT NULL AND p.family_name IS NULL AND p.given_name IS NULL

-- name: name_words
-- A longer word that sounds alike in a further attribute of type name.
SELECT DISTINCT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(x.key || '=' || left(w.word, 1) || regexp_replace(translate(substr(w.word, 2),
           'bfpvwcgkjqsxzdtmnlraeiouyh', '1111122222222335567'), '(.)\1+', '\1', 'g'), :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL jsonb_each_text(p.extra) AS x
CROSS JOIN LATERAL string_to_table(x.value, ' ') AS w (word)
WHERE p.extra IS NOT NULL AND x.key = ANY (:names) AND length(w.word) > 3

-- name: texts
-- Same value of a further attribute of type text, where it is long enough to be more than a category.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(x.key || '=' || x.value, :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL jsonb_each_text(p.extra) AS x
WHERE p.extra IS NOT NULL AND x.key = ANY (:texts) AND length(x.value) >= 12

-- name: birth
-- Same birth date.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashint8extended(p.date_of_birth - date '1900-01-01', :rule_id) AS key
FROM :profiles AS p WHERE p.date_of_birth IS NOT NULL

-- name: name_starts
-- The first two letters of both names, in either order.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(least(left(p.given_name, 2), left(p.family_name, 2)) || '|'
                        || greatest(left(p.given_name, 2), left(p.family_name, 2)), :rule_id) AS key
FROM :profiles AS p WHERE p.given_name IS NOT NULL AND p.family_name IS NOT NULL

-- name: phone_part
-- Same last four digits of the phone number, or the four before, and the first letter of a name: of a
-- mistyped number one half is right.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(left(n.name, 1) || d.part || substr(right(p.phone, 8), d.part, 4), :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name), (p.organisation)) AS n (name)
CROSS JOIN (VALUES (1), (5)) AS d (part)
WHERE length(p.phone) >= 8 AND n.name IS NOT NULL

-- name: number_start
-- Same house number, first two letters of the street and first letter of a name.
SELECT p.profile_id, CAST(:rule_id AS smallint) AS rule_id,
       hashtextextended(substring(p.street FROM '\d+\W+\w{2}') || '|' || left(n.name, 1), :rule_id) AS key
FROM :profiles AS p
CROSS JOIN LATERAL (VALUES (p.given_name), (p.family_name), (p.organisation)) AS n (name)
WHERE p.street ~ '\d+\W+\w{2}' AND n.name IS NOT NULL
