-- A group is planned in slices, as areas are: how far the group at the plan's cursor is done, by the number of a contact. A node
-- that does not know of it plans the whole group, and leaves out whom the campaign has.
ALTER TABLE campaign ADD plan_group int NOT NULL DEFAULT 0, ADD plan_after bigint NOT NULL DEFAULT 0;
