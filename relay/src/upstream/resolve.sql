-- What the names in a statement mean (weir_policy::sql::Answer, as JSON). Asked with pg_catalog alone in the search path, so that
-- no operator or function in here is anybody else's. What an expression calls is read from its stored tree by the server's own
-- numbers: that shows functions of the server, which pg_depend leaves out. OIDs from 16384 on are not the server's own.
-- $1 search paths, $2 relations, $3 calls, $4 fields, $5 types, $6 operators.
WITH RECURSIVE
  path AS (
    SELECT p.o AS p, s.o AS pos, n.oid
    FROM jsonb_array_elements($1::jsonb) WITH ORDINALITY p(v, o)
      CROSS JOIN LATERAL jsonb_array_elements_text(p.v) WITH ORDINALITY s(name, o)
      JOIN pg_namespace n ON n.nspname = s.name::name),
  relation AS (
    SELECT (r.o - 1)::int AS place, (r.v ->> 's')::name AS s, (r.v ->> 'n')::name AS n, (r.v ->> 'w')::bool AS w
    FROM jsonb_array_elements($2::jsonb) WITH ORDINALITY r(v, o)),
  hit AS (
    SELECT r.place, c.oid, r.w
    FROM relation r JOIN pg_namespace n ON n.nspname = r.s JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = r.n
    WHERE r.s <> ''::name
    UNION
    SELECT r.place, h.oid, r.w
    FROM relation r CROSS JOIN LATERAL (
      SELECT DISTINCT ON (p.p) c.oid FROM path p JOIN pg_class c ON c.relnamespace = p.oid AND c.relname = r.n
      ORDER BY p.p, p.pos) h
    WHERE r.s = ''::name),
  reach(oid, w) AS (
    SELECT h.oid, h.w FROM hit h WHERE h.oid >= 16384::oid
    UNION
    SELECT x.oid, r.w FROM reach r CROSS JOIN LATERAL (
      SELECT m[1]::oid AS oid
      FROM pg_rewrite v CROSS JOIN LATERAL regexp_matches(v.ev_action::text, ':relid ([0-9]+)', 'g') m
      WHERE v.ev_class = r.oid AND (v.ev_type = '1' OR r.w)
      UNION ALL SELECT i.inhrelid FROM pg_inherits i WHERE i.inhparent = r.oid) x
    WHERE x.oid >= 16384::oid),
  wanted_type AS (
    SELECT (t.o - 1)::int AS place, (t.v ->> 's')::name AS s, (t.v ->> 'n')::name AS n
    FROM jsonb_array_elements($5::jsonb) WITH ORDINALITY t(v, o)),
  type_hit AS (
    SELECT t.place, y.oid FROM wanted_type t
      JOIN pg_namespace n ON n.nspname = t.s JOIN pg_type y ON y.typnamespace = n.oid AND y.typname = t.n
    WHERE t.s <> ''::name
    UNION
    SELECT t.place, h.oid FROM wanted_type t CROSS JOIN LATERAL (
      SELECT DISTINCT ON (p.p) y.oid FROM path p JOIN pg_type y ON y.typnamespace = p.oid AND y.typname = t.n
      ORDER BY p.p, p.pos) h
    WHERE t.s = ''::name),
  relation_expression AS (
    SELECT concat('view ', v.ev_class::regclass) AS by, v.ev_action::text AS t, false AS w
    FROM reach r JOIN pg_rewrite v ON v.ev_class = r.oid AND v.ev_type = '1'
    UNION ALL
    SELECT concat('rule ', v.rulename), concat(v.ev_action::text, v.ev_qual::text), true
    FROM reach r JOIN pg_rewrite v ON v.ev_class = r.oid AND v.ev_type <> '1' WHERE r.w
    UNION ALL
    SELECT concat('the row security of ', c.oid::regclass), concat(l.polqual::text, l.polwithcheck::text), false
    FROM reach r JOIN pg_class c ON c.oid = r.oid JOIN pg_policy l ON l.polrelid = c.oid WHERE c.relrowsecurity
    UNION ALL
    SELECT concat('a column of ', r.oid::regclass), d.adbin::text, a.attgenerated <> 'v'
    FROM reach r JOIN pg_attrdef d ON d.adrelid = r.oid
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum WHERE r.w OR a.attgenerated = 'v'
    UNION ALL
    SELECT concat('a constraint of ', r.oid::regclass), k.conbin::text, true
    FROM reach r JOIN pg_constraint k ON k.conrelid = r.oid WHERE r.w AND k.conbin IS NOT NULL
    UNION ALL
    SELECT concat('an index of ', r.oid::regclass), concat(i.indexprs::text, i.indpred::text), true
    FROM reach r JOIN pg_index i ON i.indrelid = r.oid WHERE r.w AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL)),
  user_type(oid) AS (
    SELECT h.oid FROM type_hit h WHERE h.oid >= 16384::oid
    UNION
    SELECT m[1]::oid FROM relation_expression e CROSS JOIN LATERAL regexp_matches(e.t, ':resulttype ([0-9]{5,})', 'g') m
    WHERE NOT e.w
    UNION
    SELECT x.oid FROM user_type u CROSS JOIN LATERAL (
      SELECT unnest(ARRAY[y.typbasetype, y.typelem]) AS oid FROM pg_type y WHERE y.oid = u.oid
      UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = u.oid
      UNION ALL SELECT a.atttypid FROM pg_type y JOIN pg_attribute a ON a.attrelid = y.typrelid AND a.attnum > 0
        WHERE y.oid = u.oid AND y.typrelid <> 0::oid) x
    WHERE x.oid >= 16384::oid),
  expression AS (
    SELECT e.by, e.t, e.w FROM relation_expression e
    UNION ALL
    SELECT concat('type ', k.contypid::regtype), k.conbin::text, false
    FROM user_type u JOIN pg_constraint k ON k.contypid = u.oid WHERE k.conbin IS NOT NULL),
  wanted_call AS (
    SELECT (f.o - 1)::int AS place, NULL::int AS field, (f.v ->> 's')::name AS s, (f.v ->> 'n')::name AS n
    FROM jsonb_array_elements($3::jsonb) WITH ORDINALITY f(v, o)
    UNION ALL
    SELECT NULL, (f.o - 1)::int, ''::name, f.v::name FROM jsonb_array_elements_text($4::jsonb) WITH ORDINALITY f(v, o)),
  candidate AS (
    SELECT w.place, w.field, f.oid, f.prorettype
    FROM wanted_call w JOIN pg_proc f ON f.proname = w.n
    WHERE f.pronamespace IN (SELECT p.oid FROM path p WHERE w.s = ''::name
      UNION ALL SELECT n.oid FROM pg_namespace n WHERE n.nspname = w.s)),
  near_type(oid) AS (
    SELECT u.oid FROM user_type u
    UNION SELECT a.atttypid FROM reach r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 WHERE a.atttypid >= 16384::oid
    UNION SELECT c.reltype FROM reach r JOIN pg_class c ON c.oid = r.oid
    UNION SELECT c.prorettype FROM candidate c WHERE c.prorettype >= 16384::oid),
  besides(by, oid, w) AS (
    SELECT e.by, m[1]::oid, e.w
    FROM expression e CROSS JOIN LATERAL regexp_matches(e.t, ':(?:funcid|aggfnoid|winfnoid|opfuncid) ([0-9]+)', 'g') m
    UNION
    SELECT e.by, o.oprcode::oid, e.w
    FROM expression e CROSS JOIN LATERAL regexp_matches(e.t, ':(?:opno|eqop|sortop) ([0-9]+)', 'g') m
      JOIN pg_operator o ON o.oid = m[1]::oid
    UNION
    SELECT concat('type ', y.oid::regtype), y.typinput::oid, false
    FROM user_type u JOIN pg_type y ON y.oid = u.oid WHERE y.typtype = 'b'
    UNION
    SELECT concat('trigger ', t.tgname), t.tgfoid, true
    FROM reach r JOIN pg_trigger t ON t.tgrelid = r.oid WHERE r.w AND NOT t.tgisinternal
    UNION
    SELECT concat('operator ', o.oprname), o.oprcode::oid, false
    FROM jsonb_array_elements($6::jsonb) w(v) JOIN pg_operator o ON o.oprname = (w.v ->> 'n')::name
      JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE o.oid >= 16384::oid
      AND (w.v ->> 's' = n.nspname::text OR w.v ->> 's' = '' AND n.oid IN (SELECT p.oid FROM path p))
      AND (o.oprleft < 16384::oid AND o.oprright < 16384::oid
        OR EXISTS (SELECT FROM near_type y WHERE y.oid = o.oprleft OR y.oid = o.oprright))
    UNION
    SELECT concat('the cast to ', k.casttarget::regtype), k.castfunc, false
    FROM pg_cast k
    WHERE k.castfunc >= 16384::oid AND (k.castsource < 16384::oid AND k.casttarget < 16384::oid
      OR EXISTS (SELECT FROM near_type y WHERE y.oid = k.castsource OR y.oid = k.casttarget))),
  described AS (
    SELECT f.oid, jsonb_build_object(
      'schema', n.nspname, 'name', f.proname, 'volatility', f.provolatile, 'system', f.oid < 16384::oid,
      'signature', CASE WHEN f.oid < 16384::oid THEN '' ELSE f.oid::regprocedure::text END,
      'least', f.pronargs - f.pronargdefaults - (f.provariadic <> 0::oid)::int,
      'most', CASE WHEN f.provariadic = 0::oid THEN f.pronargs END,
      'extension', CASE WHEN f.oid >= 16384::oid THEN (SELECT x.extname FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_extension'::regclass
          AND d.deptype = 'e' LIMIT 1) END) AS d
    FROM (SELECT c.oid FROM candidate c UNION SELECT b.oid FROM besides b) w
      JOIN pg_proc f ON f.oid = w.oid JOIN pg_namespace n ON n.oid = f.pronamespace)
SELECT jsonb_build_object(
  'relations', (
    SELECT coalesce(jsonb_agg(jsonb_build_object('place', x.place, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
      'writes', x.w, 'system', c.oid < 16384::oid, 'wrapper', w.fdwname,
      'small', x.w AND c.relkind = 'r' AND NOT c.relhassubclass AND c.reltuples BETWEEN 0 AND 1000 AND c.relpages < 250,
      'selective', CASE WHEN x.w AND x.place IS NOT NULL THEN (
        SELECT coalesce(jsonb_agg(s.s), '[]'::jsonb) FROM (
          SELECT jsonb_agg(a.attname) AS s FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
          WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL GROUP BY i.indexrelid
          UNION ALL
          SELECT jsonb_build_array(t.attname) FROM pg_stats t
          WHERE t.schemaname = n.nspname AND t.tablename = c.relname
            AND (t.n_distinct < 0 OR t.n_distinct > 2) AND coalesce(t.most_common_freqs[1], 0) <= 0.5) s(s)) ELSE '[]'::jsonb END,
      'options', (SELECT coalesce(jsonb_agg(split_part(o.o, '=', 1)), '[]'::jsonb) FROM unnest(t.ftoptions) o(o)))), '[]'::jsonb)
    FROM (SELECT h.place, h.oid, h.w FROM hit h
        UNION SELECT NULL, r.oid, r.w FROM reach r WHERE NOT EXISTS (SELECT FROM hit h WHERE h.oid = r.oid)) x
      JOIN pg_class c ON c.oid = x.oid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_foreign_table t ON t.ftrelid = c.oid
      LEFT JOIN pg_foreign_server s ON s.oid = t.ftserver LEFT JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw),
  'functions', (
    SELECT coalesce(jsonb_agg(d.d || jsonb_build_object('place', c.place, 'field', c.field)), '[]'::jsonb)
    FROM candidate c JOIN described d ON d.oid = c.oid),
  'via', (
    SELECT coalesce(jsonb_agg(d.d || jsonb_build_object('by', b.by, 'on_write', b.w)), '[]'::jsonb)
    FROM besides b JOIN described d ON d.oid = b.oid),
  'types', (SELECT coalesce(jsonb_agg(DISTINCT h.place), '[]'::jsonb) FROM type_hit h),
  'columns', (
    SELECT coalesce(jsonb_agg(jsonb_build_array(h.place, a.attname)), '[]'::jsonb)
    FROM hit h JOIN pg_attribute a ON a.attrelid = h.oid AND NOT a.attisdropped
      JOIN jsonb_array_elements_text($4::jsonb) f(v) ON a.attname = f.v::name))::text
