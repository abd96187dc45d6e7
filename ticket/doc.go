// Package ticket holds radicado's domain: mails as parsed, messages as kept,
// tickets and their state machine, the outcomes of ingestion, and the events
// that record every change. It imports nothing else of the project, so that
// every other package can speak its words.
//
// Times are instants; the legal day and everything people read is reckoned in
// Bogotá, see [Bogota].
package ticket
