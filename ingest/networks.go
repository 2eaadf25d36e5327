package ingest

import (
	"errors"
	"net/netip"
	"slices"
)

// Networks are address ranges, such as "10.0.0.0/8,192.0.2.7".
type Networks []netip.Prefix

// Decode reads networks from an environment variable.
func (n *Networks) Decode(value string) error {
	var list Networks
	for _, entry := range splitList(value) {
		network, err := netip.ParsePrefix(entry)
		if address, failed := netip.ParseAddr(entry); failed == nil {
			network, err = address.Prefix(address.BitLen())
		}
		if err != nil {
			return errors.New("must be networks in CIDR form, separated by commas, such as 10.0.0.0/8,2001:db8::/32")
		}
		list = append(list, network.Masked())
	}
	*n = list
	return nil
}

// Contains reports whether an address is in one of the networks.
func (n Networks) Contains(address netip.Addr) bool {
	return slices.ContainsFunc(n, func(network netip.Prefix) bool { return network.Contains(address) })
}
