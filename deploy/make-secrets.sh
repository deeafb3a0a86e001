#!/bin/sh
# Writes the secrets of server, database, directory and relay, a file each, into a folder (secrets/ by default). Keeps
# existing files.
set -eu
folder=${1:-secrets}
umask 077
mkdir -p "$folder"

keep() { # file, value
    [ -s "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"
    # Containers read these under their own user numbers. The folder is 0700, so no other user of this host can.
    chmod 0444 "$folder/$1"
}

random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

keep rtc_token_secret "$(random)"
keep rtc_turn_secret "$(random)"
keep rtc_fleet_secret "$(random)"
keep mysql_root_password "$(random)"
keep mysql_password "$(random)"
keep rtc_database_url "mysql+aiomysql://rtc:$(cat "$folder/mysql_password")@127.0.0.1:3306/rtc"
keep redis_password "$(random)"
keep rtc_redis_url "redis://:$(cat "$folder/redis_password")@127.0.0.1:6379/0"
