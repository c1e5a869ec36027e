-- Who is in filtered groups, with what reaches them: counting a group of most of an entity reads each contact once.
CREATE VIEW filtered_people WITH (security_invoker = true) AS
SELECT f.group_id, c.id AS contact_id, c.entity_id, c.mobile, c.landline, c.email
FROM group_filter f JOIN contact_group g ON g.id = f.group_id
JOIN contact c ON c.entity_id = f.entity_id AND NOT c.registered
WHERE (g.partnership_id IS NULL OR c.partnership_id = g.partnership_id) AND contact_fits(c, f)
  AND (cardinality(f.outlines) = 0 OR EXISTS (SELECT FROM address a CROSS JOIN unnest(f.outlines) AS o (outline)
      WHERE a.contact_id = c.id AND point(a.lon * 1e7, a.lat * 1e7) <@ o.outline));
GRANT SELECT ON filtered_people TO ${app_role}, ${tenant_role};

CREATE OR REPLACE VIEW group_people WITH (security_invoker = true) AS
SELECT m.group_id, m.contact_id, m.entity_id FROM group_member m
UNION ALL
SELECT p.group_id, p.contact_id, p.entity_id FROM filtered_people p;
