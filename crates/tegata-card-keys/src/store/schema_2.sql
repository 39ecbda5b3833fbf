-- The lowest number that the card's next session may have: one above the highest that was proven, and
-- 0 before the first. A card counts its sessions; a copy of it counts from where it was copied.
ALTER TABLE card ADD COLUMN next_sequence INTEGER NOT NULL DEFAULT 0
  CHECK (next_sequence BETWEEN 0 AND 16777216);
