-- The notifications of test/bench, sent by wrk; docs/performance.md says how.
local body = '{"server_time":1718115953625,"affected_values":[{"record_id":"RECORD","values":{"Mobile":"+49 151 23456789",' ..
	'"Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}}],"query_params":{},"module":"Leads",' ..
	'"resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["RECORD"],"affected_fields":[{"RECORD":["Mobile","Email",' ..
	'"Lead_Status","City"]}],"operation":"update","channel_id":"1000000068001","token":"a-token-of-this-benchmark-alone"}'

local threads = 0

function setup(thread)
	thread:set("id", threads)
	threads = threads + 1
end

function init()
	sent, headers = 0, {["Content-Type"] = "application/json"}
end

-- Every callback is about a record of its own, so that none repeats another.
function request()
	sent = sent + 1
	local notification = body:gsub("RECORD", string.format("5725%03d%012d", id, sent))
	return wrk.format("POST", "/zoho/notifications", headers, notification)
end
