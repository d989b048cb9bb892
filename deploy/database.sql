-- Run once by the image of Postgres, when its data folder is still empty: the database that the gateways use, and the role
-- that they connect as. It owns the database and with it the schema `sluice`, and is no superuser, as docs/operations.md
-- advises; with `sluice_request` row-level security binds its requests, those that read events included.
\getenv password DATABASE_PASSWORD

create role sluice login password :'password';
create role sluice_request nologin;
grant sluice_request to sluice;
create database sluice owner sluice;

-- Nobody needs it by network, and nobody can guess what is not there.
alter role postgres password null;
