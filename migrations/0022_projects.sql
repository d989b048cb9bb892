-- Up Migration

-- Projects: what an admin has declared about the commands of a project. A project that is not declared has no row.
--
-- Invariant: the rules of a project are checked in the transaction that queues a command; later changes do not concern it.

create table sluice.projects (
  workspace        text collate "C" not null check (sluice.is_workspace(workspace)),
  id               text collate "C" not null check (char_length(id) between 1 and 128),
  -- Breaks ties in the order of lists.
  key              uuid             not null default gen_random_uuid(),
  -- Empty: everybody in the workspace.
  members          text[]           not null check (cardinality(members) <= 1000),
  executor         text collate "C" check (executor ~ '^[a-z][a-z0-9-]{0,31}$'),
  image            text check (char_length(image) between 1 and 512),
  -- Null: any command.
  allowed_commands text[] check (cardinality(allowed_commands) <= 100),
  allowed_env      text[] check (cardinality(allowed_env) <= 100),
  created_by       text             not null,
  created_at       timestamptz      not null default clock_timestamp(),
  updated_at       timestamptz      not null default clock_timestamp(),
  primary key (workspace, id)
);

create index projects_by_age on sluice.projects (workspace, created_at desc, key desc);
select sluice.guard('sluice.projects');

comment on table sluice.projects is 'Who may run which commands in a project, and where.';
comment on column sluice.projects.members is
  'The principals that may run and see the commands of the project, besides admins; empty for all.';
comment on column sluice.projects.allowed_commands is 'The texts of the only commands that may run; null for any.';
comment on column sluice.projects.allowed_env is
  'The only variables that a command may set; null for any, or for none in a project with allowed_commands.';

create function sluice.visible_job(workspace text, id text, member text) returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  project text;
begin
  if member is not null then
    -- Two statements, because a join that was planned while the tables were empty may scan one of them.
    select j.project into project from sluice.jobs j
    where j.workspace = visible_job.workspace and j.name = visible_job.id and j.kind = 'command';
    if exists (
      select from sluice.projects p
      where p.workspace = visible_job.workspace and p.id = project
        and p.members <> '{}' and member <> all (p.members)
    ) then
      return null;
    end if;
  end if;
  return id;
end
$$;

comment on function sluice.visible_job is
  'Internal. The id, or null if it is that of a command in a project that the member may not enter. member: null for a caller '
  'that sees every project. Functions on jobs raise SL010 for the id null.';

revoke all on all tables in schema sluice from public;
revoke all on all functions in schema sluice from public;
