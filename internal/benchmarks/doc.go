// Package benchmarks compares this SDK with other modules. It is a module of
// its own: no operator inherits the other modules.
package benchmarks
