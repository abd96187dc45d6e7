// Package classify says what the desk has to do about a mail (its type), how
// soon (its priority) and which term applies, and gives the reasons.
//
// Decisions come from rules that are data: an ordered TOML file, embedded and
// replaceable by an operator. The way of a mail through the package:
//
//	tokenize   subject and new text -> words with sentence, clause and offsets
//	vocabulary word -> keys (stems in Spanish and English, folded forms)
//	match      words -> hits of the rules' phrases, with negation marked
//	evaluate   hits -> rules that hold -> scores of types, then of priorities
//	decide     scores -> softmax confidence, review, term, reasons
//
// A trained model, where there is one, adds scores between evaluate and
// decide; its reasons then have source "model".
//
// Only what the sender wrote now counts: callers hand over the new text, never
// quoted history. All work is linear in the length of the text, which is cut
// at [MaxText] bytes.
package classify
