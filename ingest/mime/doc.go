// Package mime reads the raw bytes of one mail into a ticket.Mail. Any bytes
// give a mail: what cannot be read becomes a warning, and what a person has to
// see before it is trusted becomes the mail's quarantine reason.
//
// A mail goes through three steps while it streams:
//
//	front   mends header blocks and boundaries that real mail breaks, and
//	        holds the limits of depth, parts and header size
//	walk    go-message's readers over the mended stream; text is kept up to
//	        the limits, attachments are hashed and counted, never held
//	repair  enmime, over the same bytes once more, only where the walk met a
//	        structure that go-message refuses and the mail is small and flat
package mime
