// Package archtest holds the module to its architecture. It has tests only:
//
//   - imports_test.go: which package may import which
//   - api_test.go: no exported identifier mentions an internal type
//   - usage_test.go: examples, the README or the consumer module use every
//     exported name
//   - parameters_test.go: functions have at most four parameters
//   - source_test.go: calls that the library does not make
//
// Each file begins with its table. A rule with exceptions lists them beside it.
// It fails for an unnecessary exception.
package archtest
