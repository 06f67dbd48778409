#!/usr/bin/env bash
# Prints the screens of shell.md: types what a new user would into the shell of build/release in a real terminal (tmux) and captures it.
#
#   docs/shell_screens.sh              in a temporary folder, which it removes
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
server=screens$$
trap 'tmux -L "$server" kill-server 2>/dev/null || true; rm -rf "$folder"' EXIT
cat > "$folder/trips.csv" <<'CSV'
id,zone,fare,day
1,north,12.5,2024-01-03
2,south,7.25,2024-01-03
3,north,,2024-01-04
4,east,30,2024-01-05
CSV

start() { tmux -L "$server" new-session -d -s "$1" -x 100 -y 30 -c "$folder" "env HOME=$folder PATH=$root/build/release/bin:$PATH gristmill"; screen=$1; sleep 1; }
keys() { tmux -L "$server" send-keys -t "$screen" "$@"; sleep 0.3; }
# Types a text; a semicolon at its end would be tmux's own.
text() { tmux -L "$server" send-keys -t "$screen" -l -- "${1/%;/\\;}"; sleep 0.2; }
line() { text "$1"; keys Enter; sleep 0.5; }
show() { printf '\n### %s\n\n' "$1"; tmux -L "$server" capture-pane -t "$screen" -p | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' -e 's/ *$//'; tmux -L "$server" kill-session -t "$screen"; }

start first
line "select zone, count(*), sum(fare) as total"
line "from 'trips.csv'"
line "group by zone order by total desc nulls last;"
line "create table trips as from 'trips.csv';"
line ".tables"
line ".schema trips"
show "A first query, and a table of it"

start help
line "select fair from 'trips.csv';"
line "select zone form 'trips.csv';"
line "select * from 'trip.csv';"
line "show table;"
line ".help"
show "What is wrong, and what there is"

start keys
line "create table trips as from 'trips.csv';"
text "select zo"; keys Tab; text " from tr"; keys Tab; line ";"
text "select * from tri"; keys Tab Tab; keys C-c
keys Up; sleep 0.3
show "Tab completes, Up brings the last statement back"

start stop
line "select count(*) from range(1000000) a(x), range(1000000) b(y) where x * y % 7 = 3;"
sleep 1.5
keys C-c; sleep 0.5
line "select 'still here' as shell;"
line ".mode json"
line "select 1 as a, 'x' as b;"
line ".mode markdown"
line "from 'trips.csv' limit 2;"
show "Ctrl-C stops the query and not the shell; other modes"

start wide
line "summarize 'trips.csv';"
line "explain analyze select zone, sum(fare) from 'trips.csv' where fare > 8 group by zone;"
show "A table keeps to the width of the terminal; what a query did"
