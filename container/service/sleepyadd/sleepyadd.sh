#!/bin/sh
# The sample service: needs nothing but a POSIX shell and sleep. Its arguments
# were checked against service.yaml and come as a vector; it works in its sandbox.
set -eu
umask 077

add() {
	a=$1 b=$2 seconds=$3 done=0
	while [ "$done" -lt "$seconds" ]; do
		printf '%d of %d seconds slept\n' "$done" "$seconds" >progress
		sleep 1
		done=$((done + 1))
	done
	printf '%d of %d seconds slept\n' "$done" "$seconds" >progress
	printf '%d\n' "$((a + b))" >result.part
	mv result.part result
	printf '%d + %d = %d\n' "$a" "$b" "$((a + b))"
}

burn() {
	rounds=$1 round=0
	while [ "$round" -lt "$rounds" ]; do
		round=$((round + 1))
	done
	printf '%d rounds\n' "$round" >result
}

case $1 in
add) add "$2" "$3" "$4" ;;
burn) burn "$2" ;;
*)
	echo "sleepyadd: unknown method $1" >&2
	exit 2
	;;
esac
