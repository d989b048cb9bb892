-- Up Migration

-- Items and their revisions: the resource that Sluice itself keeps.
--
-- Invariant (I2): each change and its event commit together. src/items/ writes these tables and appends to the workspace's
-- feed in one transaction.
--
-- Deleting an item leaves nothing behind: its part number is free again, and a new item of that number starts its
-- revisions from 1.

create table sluice.items (
  workspace   text collate "C" not null,
  -- Collation "C": a page's cursor means the same on every database, whatever its locale.
  part_number text collate "C" not null check (part_number ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  description text             not null,
  item_type   text collate "C" not null,
  -- json, not jsonb: it is returned as it was sent, with its keys in their order.
  properties  json             not null,
  revision    integer          not null default 1 check (revision >= 1),
  -- The ETag. It is random: an item that was deleted and created again must never match an ETag of its earlier life, and
  -- a number from a sequence would tell one workspace how busy the others are (I7).
  version     uuid             not null default gen_random_uuid(),
  -- The text that search looks in. The application folds its case, because lower() knows only ASCII where the locale is "C".
  folded      text             not null,
  created_at  timestamptz      not null default clock_timestamp(),
  updated_at  timestamptz      not null default clock_timestamp(),
  primary key (workspace, part_number)
);

create index items_by_type on sluice.items (workspace, item_type, part_number);
select sluice.guard('sluice.items');

-- An item as it was when it was released under a revision number. Never changed, and deleted with the item.
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

select sluice.guard('sluice.item_revisions');

revoke all on all tables in schema sluice from public;
