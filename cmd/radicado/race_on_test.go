//go:build race

package main

// raceEnabled tells tests of memory and time that the race detector multiplies
// both.
const raceEnabled = true
