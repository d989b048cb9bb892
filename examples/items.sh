#!/bin/sh
# The life of an item over HTTP: create, change without overwriting anybody, release, list, follow, delete.
#
#   SLUICE_TOKEN=<an editor's token> sh examples/items.sh
#
# SLUICE_URL is the gateway, default http://127.0.0.1:8080. Needs curl.
set -eu

url=${SLUICE_URL:-http://127.0.0.1:8080}
json='Content-Type: application/json'
part=EX-$$
: "${SLUICE_TOKEN:?is not set. Take the one of an editor that npm start prints.}"

# call <method> <path> [<curl option>…]: fails on any status of 400 and above, and shows the problem.
call() {
  method=$1 path=$2
  shift 2
  curl --silent --show-error --fail-with-body --request "$method" "$url$path" \
    --header "Authorization: Bearer $SLUICE_TOKEN" "$@"
  echo
}

# header <name>: its value in the answer that `--include` has put on standard input.
header() {
  tr -d '\r' | grep -i "^$1: " | cut -d ' ' -f 2-
}

echo "Create $part:"
call POST /api/items --header "$json" \
  --data '{"part_number":"'"$part"'","description":"Bracket, left","item_type":"part"}'

echo 'List the items, and note where the feed is at that moment:'
head=$(call GET "/api/items?search=$part" --include | header x-sluice-head)
echo "$head"

echo 'Change the item, if it still is the one that was read:'
etag=$(call GET "/api/items/$part" --include | header etag)
call PATCH "/api/items/$part" --header "If-Match: $etag" --header "$json" \
  --data '{"properties":{"material":"S235JR"}}'

echo 'The same again is refused, since the item has changed:'
call PATCH "/api/items/$part" --header "If-Match: $etag" --header "$json" \
  --data '{"properties":{"material":"1.4301"}}' || true

echo 'Release it, and show its revisions:'
call POST "/api/items/$part/revisions" --header "$json" \
  --data '{"comment":"Released for series production"}'
call GET "/api/items/$part/revisions"

echo 'Delete it:'
call DELETE "/api/items/$part"

echo 'What has happened since the list was read:'
call GET "/api/events?after=$head" --header 'Accept: application/json'
