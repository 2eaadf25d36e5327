package zoho

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// dataCentres are Zoho's, by the name that BRIDGE_ZOHO_DC takes: the host of the accounts server and that of the API.
var dataCentres = map[string][2]string{
	"us": {"https://accounts.zoho.com", "https://www.zohoapis.com"},
	"eu": {"https://accounts.zoho.eu", "https://www.zohoapis.eu"},
	"in": {"https://accounts.zoho.in", "https://www.zohoapis.in"},
	"cn": {"https://accounts.zoho.com.cn", "https://www.zohoapis.com.cn"},
	"au": {"https://accounts.zoho.com.au", "https://www.zohoapis.com.au"},
	"jp": {"https://accounts.zoho.jp", "https://www.zohoapis.jp"},
	"sa": {"https://accounts.zoho.sa", "https://www.zohoapis.sa"},
	"ca": {"https://accounts.zohocloud.ca", "https://www.zohoapis.ca"},
}

// DataCentre is the name of one of Zoho's data centres.
type DataCentre string

// Decode reads the name from an environment variable.
func (d *DataCentre) Decode(value string) error {
	name := strings.ToLower(strings.TrimSpace(value))
	if _, ok := dataCentres[name]; !ok {
		return fmt.Errorf("must be one of %s", strings.Join(slices.Sorted(maps.Keys(dataCentres)), ", "))
	}
	*d = DataCentre(name)
	return nil
}

// Version is a version of the CRM's API.
type Version string

var versions = []Version{"v2", "v2.1", "v3", "v4", "v5", "v6", "v7", "v8"}

// Decode reads the version from an environment variable.
func (v *Version) Decode(value string) error {
	version := Version(strings.ToLower(strings.TrimSpace(value)))
	if !slices.Contains(versions, version) {
		return fmt.Errorf("must be one of v2, v2.1, v3 to %s", versions[len(versions)-1])
	}
	*v = version
	return nil
}

// since reports whether the version is first or a later one.
func (v Version) since(first Version) bool {
	return slices.Index(versions, v) >= slices.Index(versions, first)
}
