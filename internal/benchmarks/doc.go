// Package benchmarks compares this SDK with other modules. It is a module of its
// own, so that no operator inherits them.
package benchmarks
