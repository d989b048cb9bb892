-- Up Migration

-- Items and their revisions: the resource that Sluice itself keeps. Each change and its event commit together (I2):
-- src/items/ writes here and appends to the workspace's feed in one transaction.
--
-- A deleted item leaves nothing behind: its part number is free again, and its revisions start anew.

create table sluice.items (
  workspace   text collate "C" not null,
  -- "C": a page's cursor means the same on every database, whatever its locale.
  part_number text collate "C" not null check (part_number ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  description text             not null,
  item_type   text collate "C" not null,
  -- json, not jsonb: given back as it came, keys in their order.
  properties  json             not null,
  revision    integer          not null default 1 check (revision >= 1),
  -- The ETag. Random, not counted: an item that was deleted and created again must never match a tag of its earlier
  -- life, and a number drawn from a sequence would tell one workspace how busy the others are (I7).
  version     uuid             not null default gen_random_uuid(),
  -- What search looks in, folded to one case by the application: lower() knows ASCII only where the locale is "C".
  folded      text             not null,
  created_at  timestamptz      not null default clock_timestamp(),
  updated_at  timestamptz      not null default clock_timestamp(),
  primary key (workspace, part_number)
);

create index items_by_type on sluice.items (workspace, item_type, part_number);

-- What an item was when it was released under a number. Never changed, and gone with the item.
create table sluice.item_revisions (
  workspace       text collate "C" not null,
  part_number     text collate "C" not null,
  revision_number integer          not null check (revision_number >= 1),
  comment         text             not null,
  properties      json             not null,
  actor           text             not null,
  at              timestamptz      not null default clock_timestamp(),
  primary key (workspace, part_number, revision_number),
  foreign key (workspace, part_number) references sluice.items (workspace, part_number) on delete cascade
);
