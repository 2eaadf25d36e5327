package hubspot

import "strings"

// object is a kind of record: its name in subscription types, its objectTypeId, and its name in the URLs of the API.
type object struct{ module, typeID, path string }

// objects are HubSpot's own (developers.hubspot.com, "Understanding the CRM"). A custom object, such as 2-3508482, is named by its
// objectTypeId everywhere.
var objects = []object{
	{"contact", "0-1", "contacts"},
	{"company", "0-2", "companies"},
	{"deal", "0-3", "deals"},
	{"ticket", "0-5", "tickets"},
	{"product", "0-7", "products"},
	{"line_item", "0-8", "line_items"},
	{"quote", "0-14", "quotes"},
	{"communication", "0-18", "communications"},
	{"feedback", "0-19", "feedback_submissions"},
	{"task", "0-27", "tasks"},
	{"note", "0-46", "notes"},
	{"meeting", "0-47", "meetings"},
	{"call", "0-48", "calls"},
	{"email", "0-49", "emails"},
	{"invoice", "0-53", "invoices"},
	{"marketing_event", "0-54", "0-54"},
	{"subscription", "0-69", "subscriptions"},
	{"goal", "0-74", "goal_targets"},
	{"payment", "0-101", "commerce_payments"},
	{"user", "0-115", "users"},
	{"postal_mail", "0-116", "postal_mail"},
	{"order", "0-123", "orders"},
	{"lead", "0-136", "leads"},
	{"cart", "0-142", "carts"},
}

// objectOf returns the object of a module or an objectTypeId; of one that is not known, known is false, and its name is used as it is.
func objectOf(name string) (o object, known bool) {
	for _, one := range objects {
		if one.module == name || one.typeID == name {
			return one, true
		}
	}
	return object{name, name, name}, false
}

// listable reports whether the API lists the records of an object.
func listable(name string) bool {
	_, known := objectOf(name)
	return known || strings.HasPrefix(name, "2-") || strings.HasPrefix(name, "0-")
}

// watermark is the property that holds when a record was last modified.
func (o object) watermark() string {
	if o.module == "contact" {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

// version is that of the API's paths.
const version = "2026-09"

// collection is the URI of an object's records, whichever host the API is called at.
func (o object) collection() string {
	if o.module == "conversation" {
		return "https://api.hubapi.com/conversations/v3/conversations/threads"
	}
	return "https://api.hubapi.com/crm/objects/" + version + "/" + o.path
}
