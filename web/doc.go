// Package web serves the leads' queue as read-only pages in Spanish and the
// JSON API that the command line uses while a daemon holds the store.
//
// Pages need no script and load nothing but one style sheet of ours. They show
// text only: a mail's HTML never reaches a browser. Everything that came by
// mail goes through html/template or encoding/json, which escape it.
//
// Reading is open to whoever reaches the listener, which is meant to be a
// loopback address: the Host field must name a loopback host or one of
// [Options.Hosts], so that a foreign page cannot reach the queue by rebinding
// its name. Every write needs [Options.Token] and an actor's name.
//
// A handler keeps no state of its own: each request reads the store in short
// transactions and is over when it has been answered. [Server.Serve] owns the
// only long-lived goroutine and waits for it.
package web
