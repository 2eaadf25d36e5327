# To be sourced: step prints the name of what begins, and after how much time and CPU. Two cores do everything, so the CPU tells which
# step is worth a look.
step() {
	local costs
	costs=$(mktemp)
	times >"$costs" # a pipe would have times of its own
	printf '\n== %s (after %d:%02d; CPU %s)\n' "$*" $((SECONDS / 60)) $((SECONDS % 60)) \
		"$(awk -F'[ms ]' 'END { spent = $1 * 60 + $2 + $4 * 60 + $5; printf "%d:%02d", spent / 60, spent % 60 }' "$costs")"
	rm "$costs"
}
