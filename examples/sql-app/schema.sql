-- A workshop: its people have private notes and talk in rooms, and a carrier follows its orders. All that it knows of
-- Sluice is two functions: sluice.watch and sluice.publish.
--
-- Streams: user/<name> has the notes of one person, room/<room> has what is said there, orders has the orders.

begin;

create schema workshop;

create table workshop.notes (
  id bigint generated always as identity primary key,
  owner text not null,
  text text not null,
  done boolean not null default false
);

create table workshop.orders (
  id bigint generated always as identity primary key,
  customer text not null,
  state text not null default 'open' check (state in ('open', 'shipped')),
  margin numeric not null
);

-- Each note goes to the stream of its owner and nowhere else. A note that gets another owner is deleted in the stream of
-- the old one and created in the stream of the new one.
select sluice.watch('workshop.notes', name => 'note', workspace => 'workshop', stream => $$'user/' || new.owner$$);

-- The margin is the workshop's own business, so no event shows it.
select sluice.watch('workshop.orders', name => 'order', workspace => 'workshop', stream => 'orders',
  columns => array['id', 'customer', 'state']);

-- A stream exists from its first event on.
create function workshop.join(name text) returns uuid
language sql
as $$ select sluice.publish('workshop', 'user/' || name, 'person.joined', json_build_object('name', name), name) $$;

create function workshop.open_room(room text) returns uuid
language sql
as $$ select sluice.publish('workshop', 'room/' || room, 'room.opened', json_build_object('room', room)) $$;

create function workshop.note(owner text, text text) returns bigint
language sql
as $$ insert into workshop.notes (owner, text) values (owner, text) returning id $$;

create function workshop.hand_over(note bigint, to_owner text) returns void
language sql
as $$ update workshop.notes set owner = to_owner where id = note $$;

create function workshop.say(room text, author text, text text) returns uuid
language sql
as $$
  select sluice.publish('workshop', 'room/' || room, 'message.said', json_build_object('author', author, 'text', text), author)
$$;

create function workshop.place_order(customer text, margin numeric) returns bigint
language plpgsql
as $$
declare
  placed bigint;
begin
  insert into workshop.orders (customer, margin) values (customer, margin) returning id into placed;
  -- For the workshop's own eyes, on the stream that the carrier follows: its grant leaves this type out.
  perform sluice.publish('workshop', 'orders', 'margin.noted', json_build_object('id', placed, 'margin', margin));
  return placed;
end
$$;

create function workshop.ship(ordered bigint) returns void
language sql
as $$ update workshop.orders set state = 'shipped' where id = ordered $$;

select workshop.join('ada'), workshop.join('bob'), workshop.open_room('lobby');
select sluice.publish('workshop', 'orders', 'order.book_opened', '{}');

commit;
