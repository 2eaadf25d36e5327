package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
)

// A file holds a value as editors and tools write it: the lines of a list are its entries, and what belongs to no value is
// taken away or refused, by name and never by what it says.
func TestValueFiles(t *testing.T) {
	for _, test := range []struct {
		name, variable, content string
		want                    string // the value; empty: it is refused
		says                    string
	}{
		{"a line", "BRIDGE_NATS_USER", "me\n", "me", ""},
		{"CRLF", "BRIDGE_NATS_USER", "me\r\n", "me", ""},
		{"no line break", "BRIDGE_NATS_USER", "me", "me", ""},
		{"a byte order mark", "BRIDGE_NATS_USER", "\ufeffme\r\n", "me", ""},
		{"a space inside", "BRIDGE_NATS_USER", "me too\n", "me too", ""},
		{"several lines", "BRIDGE_NATS_USER", planted + "\nme\n", "", "several lines"},
		{"old line breaks", "BRIDGE_NATS_USER", planted + "\rme\r", "", "several lines"},
		{"a bell", "BRIDGE_NATS_USER", planted + "\a", "", "control character (U+0007) in line 1"},
		{"NUL", "BRIDGE_NATS_USER", planted + "\x00", "", "control character (U+0000)"},
		{"an escape", "BRIDGE_NATS_USER", "\x1b[31m" + planted, "", "control character (U+001B)"},
		{"DEL", "BRIDGE_NATS_USER", planted + "\x7fx", "", "control character (U+007F)"},
		{"C1", "BRIDGE_NATS_USER", planted + "\u009bx", "", "control character (U+009B)"},
		{"a tab inside", "BRIDGE_NATS_USER", planted + "\tx", "", "control character (U+0009)"},
		{"white space", "BRIDGE_NATS_USER", " \t\r\n", "", "is empty"},
		{"a byte order mark alone", "BRIDGE_NATS_USER", "\ufeff\n", "", "is empty"},
		{"nothing", "BRIDGE_NATS_USER", "", "", "is empty"},
		{"UTF-16", "BRIDGE_NATS_USER", "\xff\xfem\x00e\x00", "", "is UTF-16"},
		{"UTF-16, the other way", "BRIDGE_NATS_USER", "\xfe\xff\x00m\x00e", "", "is UTF-16"},
		{"UTF-16 without a mark", "BRIDGE_NATS_USER", "m\x00e\x00", "", "control character (U+0000)"},
		{"Latin-1", "BRIDGE_NATS_USER", "m\xfc" + planted, "", "is not UTF-8"},
		{"a space of no width", "BRIDGE_NATS_USER", "m\u200be" + planted, "", "invisible character (U+200B) in line 1"},
		{"a byte order mark inside", "BRIDGE_ZOHO_TOKENS", "1:a-token\n2:\ufeff" + planted, "", "invisible character (U+FEFF) in line 2"},
		{"a line separator", "BRIDGE_ZOHO_WEBHOOK_SECRET", planted + "\u2028x", "", "invisible character (U+2028) in line 1"},
		{"too large", "BRIDGE_NATS_USER", strings.Repeat("x", 1<<20+1), "", "larger than 1 MiB"},
		{"tokens by line", "BRIDGE_ZOHO_TOKENS", "1:a-token\r\n2:b-token\r\n\r\n", "1:a-token,2:b-token", ""},
		{"tokens by line and comma", "BRIDGE_ZOHO_TOKENS", "\ufeff1:a-token,\n  2:b-token , 3:c-token\n", "1:a-token,2:b-token , 3:c-token", ""},
		{"tokens with old line breaks", "BRIDGE_ZOHO_TOKENS", "1:a-token\r2:b-token", "1:a-token,2:b-token", ""},
		{"files joined", "BRIDGE_ZOHO_TOKENS", "\ufeff1:a-token\n\ufeff2:b-token\n", "1:a-token,2:b-token", ""},
		{"a control character in the third line", "BRIDGE_ZOHO_TOKENS", "1:a-token\n\n2:" + planted + "\x01\n", "", "control character (U+0001) in line 3"},
		{"commas alone", "BRIDGE_ZOHO_TOKENS", ",\n,\n", "", "holds no entry"},
		{"secrets by line", "BRIDGE_ZOHO_WEBHOOK_SECRET", "new-secret-value\nold-secret-value\n", "new-secret-value,old-secret-value", ""},
		{"networks by line", "BRIDGE_ALLOW", "10.0.0.0/8\r\n192.0.2.7\r\n", "10.0.0.0/8,192.0.2.7", ""},
		{"events by line", "BRIDGE_BITRIX24_EVENTS", "Deal.all\nONCRMLEADADD\n", "Deal.all,ONCRMLEADADD", ""},
		{"parameters by line", "BRIDGE_ZOHO_WEBHOOK_ID_PARAMS", "id\nRecord\n", "id,Record", ""},
		{"portals by line", "BRIDGE_BITRIX24_PORTALS", "a\nb\n", "a,b", ""},
		{"servers by line", "BRIDGE_NATS_URL", "nats://a\nnats://b\n", "nats://a,nats://b", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			clean(t)
			t.Setenv("BRIDGE_NATS_URL", "host")
			if test.variable == "BRIDGE_NATS_URL" {
				t.Setenv("BRIDGE_NATS_URL", "")
			}
			file := filepath.Join(t.TempDir(), "value")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv(test.variable+"_FILE", file)
			env := &config.Environment{}
			_, _, err := client.Load(env)
			if test.want == "" {
				if err == nil || !strings.Contains(err.Error(), test.variable+"_FILE") || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), planted) {
					t.Errorf("said %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range env.Variables {
				if v.Name == test.variable && v.Value != test.want {
					t.Errorf("it is %q", v.Value)
				}
			}
		})
	}
}

// A variable itself is held to the same: a line break at its end belongs to the tool that set it.
func TestValuesOfTheEnvironment(t *testing.T) {
	for _, test := range []struct{ variable, value, want, says string }{
		{"BRIDGE_NATS_USER", "me\n", "me", ""},
		{"BRIDGE_NATS_USER", " me ", " me ", ""},
		{"BRIDGE_ZOHO_TOKENS", "1:a-token\n2:b-token\n", "1:a-token,2:b-token", ""},
		{"BRIDGE_NATS_USER", planted + "\nme", "", "BRIDGE_NATS_USER holds several lines"},
		{"BRIDGE_NATS_USER", planted + "\x1b", "", "BRIDGE_NATS_USER has a control character (U+001B)"},
		{"BRIDGE_NATS_USER", planted + "\u200b", "", "BRIDGE_NATS_USER has an invisible character (U+200B)"},
		{"BRIDGE_NATS_USER", " \n", "", "BRIDGE_NATS_USER is empty"},
	} {
		clean(t)
		t.Setenv("BRIDGE_NATS_URL", "host")
		t.Setenv(test.variable, test.value)
		env := &config.Environment{}
		_, _, err := client.Load(env)
		if test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), planted)) || test.says == "" && err != nil {
			t.Errorf("%q: %v", test.value, err)
		}
		for _, v := range env.Variables {
			if test.says == "" && v.Name == test.variable && v.Value != test.want {
				t.Errorf("%q is %q", test.value, v.Value)
			}
		}
		if got := os.Getenv(test.variable); got != test.value {
			t.Errorf("the environment has %q afterwards, not %q", got, test.value)
		}
	}
}
