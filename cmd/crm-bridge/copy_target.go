package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// targetFlags say how to authenticate to the NATS of --to, and how many of its servers keep each message.
type targetFlags struct {
	creds, nkey, user, passwordFile, ca, cert, key string
	tlsFirst                                       bool
	replicas                                       int
}

func (f *targetFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.creds, "to-creds", "", "credentials file for the target")
	flags.StringVar(&f.nkey, "to-nkey", "", "NKey seed file for the target")
	flags.StringVar(&f.user, "to-user", "", "user for the target")
	flags.StringVar(&f.passwordFile, "to-password-file", "", "file with the password of --to-user")
	flags.StringVar(&f.ca, "to-ca", "", "file of the certificate authorities of the target (PEM)")
	flags.StringVar(&f.cert, "to-cert", "", "client certificate file for the target (PEM)")
	flags.StringVar(&f.key, "to-key", "", "key file (PEM) of --to-cert")
	flags.BoolVar(&f.tlsFirst, "to-tls-first", false, "the target expects TLS before INFO (handshake_first)")
	flags.IntVar(&f.replicas, "to-replicas", 0, "servers of the target that keep each message, 1 to 5 (default: BRIDGE_STREAM_REPLICAS)")
}

// files are the flags that name files.
func (f *targetFlags) files() [][2]string {
	return [][2]string{{"--to-creds", f.creds}, {"--to-nkey", f.nkey}, {"--to-password-file", f.passwordFile}, {"--to-ca", f.ca}, {"--to-cert", f.cert}, {"--to-key", f.key}}
}

// given returns the first of the flags that is set; empty: none is.
func (f *targetFlags) given() string {
	for _, one := range append(f.files(), [2]string{"--to-user", f.user}) {
		if one[1] != "" {
			return one[0]
		}
	}
	switch {
	case f.tlsFirst:
		return "--to-tls-first"
	case f.replicas != 0:
		return "--to-replicas"
	}
	return ""
}

// settings returns settings with the NATS at a URL as the one that has the streams. No error shows the URL or a path: either may be a
// secret by mistake.
func (f *targetFlags) settings(s config.Settings, to string) (config.Settings, error) {
	if !config.AreNATS(to) {
		return s, fmt.Errorf("%w: --to must be embedded, or one or more URLs such as nats://host:4222, separated by commas", terminal.ErrUsage)
	}
	if strings.Contains(to, "@") {
		return s, fmt.Errorf("%w: --to must not have a user or a password in it, which other users of this machine could read: give --to-user and --to-password-file, or --to-creds", terminal.ErrUsage)
	}
	for _, one := range f.files() {
		if one[1] == "" {
			continue
		}
		if file, err := os.Open(one[1]); err != nil {
			return s, fmt.Errorf("%s must be the path of a file that can be read: %w", one[0], config.WithoutPath(err))
		} else if err := file.Close(); err != nil {
			return s, fmt.Errorf("%s: the file cannot be closed", one[0])
		}
	}
	switch {
	case (f.cert == "") != (f.key == ""):
		return s, fmt.Errorf("%w: --to-cert and --to-key must be given together", terminal.ErrUsage)
	case (f.user == "") != (f.passwordFile == ""):
		return s, fmt.Errorf("%w: --to-user and --to-password-file must be given together", terminal.ErrUsage)
	case f.replicas < 0 || f.replicas > 5:
		return s, fmt.Errorf("%w: --to-replicas must be from 1 to 5", terminal.ErrUsage)
	case f.replicas > 0:
		s.StreamReplicas = f.replicas
	}
	s.NATS = config.NATS{URL: to, Listen: s.NATS.Listen, Creds: f.creds, Nkey: f.nkey, User: f.user, CA: f.ca, Cert: f.cert, Key: f.key, TLSFirst: f.tlsFirst}
	if f.passwordFile != "" {
		text, err := os.ReadFile(f.passwordFile)
		if err != nil {
			return s, fmt.Errorf("--to-password-file: %w", config.WithoutPath(err))
		}
		if s.NATS.Password = strings.TrimRight(string(text), "\r\n"); s.NATS.Password == "" {
			return s, errors.New("--to-password-file: the file is empty")
		}
	}
	return s, nil
}

// inFlags is an error of a connection that names flags in place of variables.
type inFlags struct{ error }

// Error implements error.
func (e inFlags) Error() string {
	return strings.NewReplacer(
		"BRIDGE_NATS_USER and BRIDGE_NATS_PASSWORD", "--to-user and --to-password-file", "BRIDGE_NATS_TLS_FIRST=true", "--to-tls-first",
		"BRIDGE_NATS_TLS_FIRST is set", "--to-tls-first is given", "unset it", "leave it out",
		"BRIDGE_NATS_CREDS", "--to-creds", "BRIDGE_NATS_NKEY", "--to-nkey", "BRIDGE_NATS_CERT", "--to-cert",
		"BRIDGE_NATS_CA", "--to-ca", "BRIDGE_NATS_KEY", "--to-key",
	).Replace(e.error.Error())
}

// Unwrap returns the error that names variables.
func (e inFlags) Unwrap() error { return e.error }
