package testkit

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

type plainError struct{ Message string }

func (*plainError) Error() string { return "an error" }

func TestShown(t *testing.T) {
	for name, v := range map[string]any{
		"a field":               struct{ S string }{"sentinel"},
		"an unexported field":   struct{ s string }{"sentinel"},
		"an error's field":      &plainError{"sentinel"},
		"the text of an error":  fmt.Errorf("sentinel: %w", &plainError{}),
		"a value that is a map": map[string]string{"k": "sentinel"},
	} {
		t.Run(name+" is found", func(t *testing.T) {
			if !strings.Contains(Shown[*plainError](v), "sentinel") {
				t.Error("it is not")
			}
		})
	}
	t.Run("JSON is shown, and is not printed", func(t *testing.T) {
		v := jsonOnly{}
		if !strings.Contains(Shown[*plainError](v), "sentinel") || strings.Contains(Printed[*plainError](v), "sentinel") {
			t.Error("it is not so")
		}
	})
}

// jsonOnly is shown by MarshalJSON alone. slog's JSON uses it for a nested value.
type jsonOnly struct{}

func (jsonOnly) MarshalJSON() ([]byte, error) { return []byte(`"sentinel"`), nil }

func (jsonOnly) LogValue() slog.Value { return slog.StringValue("hidden") }
