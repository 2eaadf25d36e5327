package test

import (
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// valid is what most refusals start from.
const valid = "nats: { url: 'nats://nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { existingSecret: crm } }\n"

// embedded is a valid try-out.
const embedded = "nats: { embedded: { enabled: true, password: { value: a-password } } }\n"

// What is misspelt or impossible is refused before anything reaches Kubernetes, in a sentence that names the value.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct{ base, values, want string }{
		"nothing said":                  {"", "", "Where shall events go? Set nats.url"},
		"a misspelt value":              {valid, "replica: 3", "at '/replica': value must be 'absent: the chart has no such value"},
		"a misspelt value inside":       {"", "nats: { embed: { enabled: true } }", "at '/nats': additional properties 'embed' not allowed"},
		"a misspelt part of a secret":   {"", "secrets: { BRIDGE_ZOHO_TOKENS: { existingSecretName: crm } }", "at '/secrets/BRIDGE_ZOHO_TOKENS': additional properties 'existingSecretName' not allowed"},
		"text for a number":             {valid, "replicas: two", "at '/replicas': got string, want null or integer"},
		"an unknown delivery":           {valid, "delivery: queue", "at '/delivery': value must be one of 'journal', 'direct'"},
		"a span that is none":           {valid, "stream: { maxAge: 30 days }", "at '/stream/maxAge': value must be 'a span such as 90s, 12h or 90d'"},
		"a size that is none":           {valid, "journal: { maxBytes: 8 gigabytes }", "at '/journal/maxBytes': value must be 'a size such as 512KiB or 8GiB'"},
		"an address without a scheme":   {valid, "publicURL: crm.example.com", "at '/publicURL': value must be 'a URL such as https://crm.example.com"},
		"one of several addresses":      {valid, "publicURL: ['https://a.example', b.example]", "at '/publicURL/1': value must be 'a URL such as https://crm.example.com"},
		"two embedded replicas":         {embedded, "replicas: 2", "at '/replicas': value must be '1, without nats.url: the embedded NATS has no replicas"},
		"two kept by one server":        {embedded, "stream: { replicas: 3 }", "at '/stream/replicas': value must be '1, without nats.url"},
		"embedded and remote":           {"", "nats: { url: 'nats://nats', embedded: { enabled: true, password: { value: p } } }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: t } }", "at '/nats/embedded/enabled': value must be 'false, where nats.url is set"},
		"embedded and open":             {"", "nats: { embedded: { enabled: true } }", "at '/nats/embedded/password': value must be 'given: a value or an existingSecret"},
		"direct to nowhere":             {embedded, "delivery: direct", "at '/delivery': value must be 'journal, or nats.url set"},
		"a journal that scales":         {valid, "autoscaling: { enabled: true }", "at '/autoscaling/enabled': value must be 'false, or delivery direct with nats.url: a journal has to be emptied"},
		"an embedded one that scales":   {embedded, "autoscaling: { enabled: true }", "at '/autoscaling/enabled': value must be 'false"},
		"scaled by two":                 {valid, "delivery: direct\nreplicas: 3\nautoscaling: { enabled: true }", "at '/replicas': value must be 'null with autoscaling.enabled"},
		"more least than most":          {valid, "delivery: direct\nautoscaling: { enabled: true, minReplicas: 9 }", "autoscaling.minReplicas must not be more than autoscaling.maxReplicas"},
		"a journal without a disk":      {valid, "persistence: { enabled: false }", "at '/persistence/enabled': value must be 'true with delivery journal"},
		"no shared secret":              {"", "nats: { url: 'nats://nats' }\nreplicas: 3", "at '/secrets': value must be 'given, one of a CRM at least: beside nats.url replicas share their secrets"},
		"a secret at two places":        {"", "nats: { url: 'nats://nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: a, existingSecret: b } }", "at '/secrets/BRIDGE_ZOHO_TOKENS/value': value must be 'empty where existingSecret is set"},
		"a password in a URL":           {"", "nats: { url: 'nats://user:hush-hush@nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: t } }", "at '/nats/url': value must be 'a URL without user and password"},
		"an API without a state key":    {valid, "settings: { BRIDGE_ZOHO_CLIENT_ID: '1' }", "stateKey must be given with the credentials of a CRM's API beside nats.url"},
		"what was a CRM's value":        {valid, "zoho: { dataCentre: eu }", "at '/zoho': value must be 'absent: the chart has no such value. The variables of a CRM are given by their names under settings and secrets'"},
		"a setting of another program":  {valid, "settings: { ZOHO_DC: eu }", "at '/settings/ZOHO_DC': value must be 'absent: it is not the name of a variable such as BRIDGE_<CRM>_<NAME>'"},
		"a setting in small letters":    {valid, "settings: { bridge_zoho_dc: eu }", "at '/settings/bridge_zoho_dc': value must be 'absent: it is not the name of a variable such as BRIDGE_<CRM>_<NAME>'"},
		"a setting that is a map":       {valid, "settings: { BRIDGE_ZOHO_DC: { value: eu } }", "at '/settings/BRIDGE_ZOHO_DC': got object, want boolean or number or string or array"},
		"a secret among settings":       {valid, "settings: { BRIDGE_ZOHO_TOKEN_SECRET: hush-hush }", "at '/settings/BRIDGE_ZOHO_TOKEN_SECRET': value must be 'given under secrets, where no environment shows it'"},
		"a secret of another program":   {valid, "secrets: { ZOHO_TOKENS: { value: hush-hush } }", "at '/secrets/ZOHO_TOKENS': value must be 'absent: it is not the name of a variable such as BRIDGE_<CRM>_<NAME>'"},
		"a secret that is a text":       {valid, "secrets: { BRIDGE_ZOHO_TOKEN_SECRET: hush-hush }", "at '/secrets/BRIDGE_ZOHO_TOKEN_SECRET': got string, want object"},
		"a secret of nothing":           {valid, "secrets: { BRIDGE_ZOHO_TOKEN_SECRET: { key: token } }", "at '/secrets/BRIDGE_ZOHO_TOKEN_SECRET': value must be 'given: a value, or an existingSecret and its key'"},
		"a secret's file":               {valid, "secrets: { BRIDGE_ZOHO_TOKENS_FILE: { value: hush-hush } }", "at '/secrets/BRIDGE_ZOHO_TOKENS_FILE': value must be 'given without _FILE, which the chart adds"},
		"a setting with an own value":   {valid, "settings: { BRIDGE_MAX_BODY: 2MiB }", "settings must not set BRIDGE_MAX_BODY: use the value limits.maxBody"},
		"a secret with an own value":    {valid, "secrets: { BRIDGE_NATS_CREDS: { value: c } }", "secrets must not set BRIDGE_NATS_CREDS: use the value nats.creds"},
		"a certificate among settings":  {valid, "settings: { BRIDGE_LISTEN_CERT: /x }", "settings must not set BRIDGE_LISTEN_CERT: use the value tls.existingSecret"},
		"a setting that others need":    {valid, "settings: { BRIDGE_DATA_DIR: /x }", "settings must not set BRIDGE_DATA_DIR: the chart's other objects depend on it"},
		"a setting that is a secret":    {valid, "settings: { BRIDGE_ZOHO_TOKENS_FILE: /x }", "secrets sets BRIDGE_ZOHO_TOKENS, and so does settings: keep one"},
		"a setting at two places":       {valid, "settings: { BRIDGE_ZOHO_DC: eu }\nextraEnv: [{ name: BRIDGE_ZOHO_DC_FILE, value: /x }]", "extraEnv sets BRIDGE_ZOHO_DC_FILE, and so does settings: keep one"},
		"an Ingress for no callbacks":   {embedded, "ingress: { enabled: true, hosts: [crm.example.com] }", "Which callbacks may come in? Set callbackPaths"},
		"a path without a slash":        {valid, "callbackPaths: [crm]", "at '/callbackPaths/0': value must be 'a path such as /crm/'"},
		"an Ingress without a name":     {valid, "ingress: { enabled: true }", "at '/ingress/hosts': value must be 'at least one name"},
		"a route without a Gateway":     {valid, "httpRoute: { enabled: true }", "at '/httpRoute/parentRefs': value must be 'at least one Gateway"},
		"an admin port on the node":     {valid, "hostNetwork: true\nserviceMonitor: { enabled: true }", "at '/serviceMonitor/enabled': value must be 'false with hostNetwork"},
		"a probe of a loopback address": {valid, "adminHost: 127.0.0.1", "at '/probes/type': value must be 'exec where adminHost is a loopback address"},
		"less grace than drain":         {valid, "drainDelaySeconds: 60\nterminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds is 60, but the drain may take 95"},
		"one port for two":              {valid, "ports: { callbacks: 9090 }", "ports.callbacks, ports.admin and ports.nats must differ"},
		"a variable at two places":      {valid, "extraEnv: [{ name: BRIDGE_ZOHO_TOKENS, value: x }]", "extraEnv sets BRIDGE_ZOHO_TOKENS, and so does secrets: keep one"},
		"a variable of a certificate":   {"", "nats: { url: 'nats://nats', tls: { ca: { existingSecret: ca } } }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: t } }\nextraEnv: [{ name: BRIDGE_NATS_CA, value: /x }]", "extraEnv sets BRIDGE_NATS_CA, and so does the value nats.tls.ca: keep one"},
		"a NATS out of a file":          {embedded, "extraEnv: [{ name: BRIDGE_NATS_URL_FILE, value: /x }]", "extraEnv must not set BRIDGE_NATS_URL_FILE"},
		"a name that Services refuse":   {valid, "fullnameOverride: 1crm", "The objects would be called 1crm, but the name of a Service begins with a letter"},
		"a NATS of another scheme":      {"", "nats: { url: 'http://nats' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: t } }", "at '/nats/url': value must be 'addresses such as nats://"},
		"a NATS of blanks":              {"", "nats: { url: ' ' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: t } }", "at '/nats/url': value must be 'addresses such as nats://"},
		"a label that selects":          {valid, "podLabels: { app.kubernetes.io/component: x }", "podLabels must not set app.kubernetes.io/component: it is the chart's own"},
		"a caller's address inside":     {valid, "service: { externalTrafficPolicy: Local }", "at '/service/externalTrafficPolicy': value must be 'empty with service.type ClusterIP"},
		"a port of nodes inside":        {valid, "service: { nodePort: 30080 }", "at '/service/nodePort': value must be 'null with service.type ClusterIP"},
		"networks of no load balancer":  {valid, "service: { type: NodePort, loadBalancerSourceRanges: [10.0.0.0/8] }", "at '/service/loadBalancerSourceRanges': value must be 'empty, or service.type be LoadBalancer"},
		"a budget of words":             {valid, "podDisruptionBudget: { maxUnavailable: half }", "at '/podDisruptionBudget/maxUnavailable': value must be 'a number, or a part"},
		"a Gateway without a name":      {valid, "httpRoute: { enabled: true, parentRefs: [{ namespace: gateways }] }", "missing property 'name'"},
		"one pod and an autoscaler":     {valid, "delivery: direct\nreplicas: 1\nautoscaling: { enabled: true }", "at '/replicas': value must be 'null with autoscaling.enabled"},
		"a remote's user for nobody":    {embedded, "nats: { user: bridge }", "nats.user has no effect without nats.url"},
		"credentials for nobody":        {embedded, "nats: { creds: { existingSecret: x } }", "nats.creds has no effect without nats.url"},
		"TLS first for nobody":          {embedded, "nats: { tls: { first: true } }", "nats.tls.first has no effect without nats.url"},
		"a journal of an embedded one":  {embedded, "journal: { maxBytes: 1GiB }", "journal.maxBytes has no effect without nats.url"},
		"a journal that is not there":   {valid, "delivery: direct\njournal: { maxBytes: 1GiB }", "journal.maxBytes has no effect with delivery direct"},
		"a sync of no disk":             {valid, "delivery: direct\njournal: { sync: server }", "journal.sync has no effect with delivery direct"},
		"a journal beyond its claim":    {valid, "journal: { maxBytes: 20GiB }", "journal.maxBytes (20GiB) must not be more than nine tenths of persistence.size (10Gi)"},
		"a stream beyond its claim":     {embedded, "stream: { maxBytes: 9GiB }\nquarantine: { maxBytes: 512MiB }", "stream.maxBytes (9GiB) and quarantine.maxBytes (512MiB) must not be more than nine tenths of persistence.size (10Gi)"},
		"records beyond their claim":    {embedded, "records: { maxBytes: 2G }\npersistence: { size: 2000M }", "records.maxBytes (2G) must not be more than nine tenths of persistence.size (2000M)"},
		"a size of Kubernetes":          {valid, "persistence: { size: 10GiB }", "at '/persistence/size': value must be 'a quantity of Kubernetes such as 10Gi'"},
		"a budget of nothing":           {valid, "podDisruptionBudget: { maxUnavailable: 0 }", "at '/podDisruptionBudget/maxUnavailable': value must be 'at least 1: with 0 no node of these pods could be drained'"},
		"a budget of no part":           {valid, "podDisruptionBudget: { maxUnavailable: 0% }", "at '/podDisruptionBudget/maxUnavailable': value must be 'a number, or a part such as 25%, and more than none"},
		"a network of no numbers":       {valid, "limits: { allow: [notacidr] }", "at '/limits/allow/0': value must be 'a network such as 10.0.0.0/8 or 2001:db8::/32, or an address'"},
		"a network of 33 bits":          {valid, "limits: { allow: [10.0.0.0/33] }", "at '/limits/allow/0': value must be 'a network such as"},
		"an address of 4 numbers":       {valid, "limits: { trustedProxies: [10.0.0.0/8, 10.0.0.256] }", "at '/limits/trustedProxies/1': value must be 'a network such as"},
		"a source of a load balancer":   {valid, "service: { type: LoadBalancer, loadBalancerSourceRanges: [office] }", "at '/service/loadBalancerSourceRanges/0': value must be 'a network such as"},
		"a misspelt own variable":       {valid, "extraEnv: [{ name: BRIDGE_LOG_LEVELS, value: debug }]", "extraEnv sets BRIDGE_LOG_LEVELS, which is not a variable of crm-bridge. Did you mean BRIDGE_LOG_FORMAT (log.format), BRIDGE_LOG_LEVEL (log.level)?"},
		"a misspelt own setting":        {valid, "settings: { BRIDGE_STREAM_MAXAGE: 3d }", "settings sets BRIDGE_STREAM_MAXAGE, which is not a variable of crm-bridge. Did you mean BRIDGE_STREAM (stream.name)"},
		"a variable of one word":        {valid, "extraEnv: [{ name: BRIDGE_LOGLEVEL, value: debug }]", "extraEnv sets BRIDGE_LOGLEVEL, which is not a variable of crm-bridge"},
		"a variable in small letters":   {valid, "extraEnv: [{ name: bridge_log_level, value: debug }]", "extraEnv sets bridge_log_level, which is not a variable of crm-bridge. Did you mean"},
		"resources without an s":        {valid, "resources: { limit: { memory: 1Gi } }", "at '/resources/limit': value must be 'absent: ResourceRequirements of Kubernetes has no such field'"},
		"a resource that is none":       {valid, "resources: { limits: { mem: 1Gi } }", "at '/resources/limits/mem': value must be 'absent: Kubernetes has the resources cpu, memory"},
		"an amount that is none":        {valid, "resources: { limits: { memory: 1 GB } }", "at '/resources/limits/memory': value must be 'a quantity of Kubernetes such as 512Mi or 100m'"},
		"a field of pods misspelt":      {valid, "podSecurityContext: { runAsuser: 1 }", "at '/podSecurityContext/runAsuser': value must be 'absent: PodSecurityContext of Kubernetes has no such field'"},
		"a field of containers":         {valid, "securityContext: { capabilities: { dropped: [ALL] } }", "at '/securityContext/capabilities/dropped': value must be 'absent: Capabilities of Kubernetes has no such field'"},
		"a field of another type":       {valid, "podSecurityContext: { runAsUser: root }", "at '/podSecurityContext/runAsUser': got string, want null or integer"},
		"a toleration misspelt":         {valid, "tolerations: [{ keys: a }]", "at '/tolerations/0/keys': value must be 'absent"},
		"a field deep inside":           {valid, "affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topology: zone }] } }", "/requiredDuringSchedulingIgnoredDuringExecution/0/topology': value must be 'absent"},
		"more asked than allowed":       {valid, "resources: { requests: { memory: 1Gi } }", "resources.requests.memory (1Gi) must not be more than resources.limits.memory (512Mi)"},
		"too little memory":             {valid, "resources: { limits: { memory: 48Mi }, requests: { memory: 32Mi } }", "resources.limits.memory must be at least 64Mi, and 256Mi for callbacks of a megabyte; it is 48Mi"},
		"bodies beyond the memory":      {valid, "limits: { maxInFlightBytes: 256MiB }", "limits.maxInFlightBytes (256MiB) must not be more than three eighths of resources.limits.memory (512Mi)"},
		"a body beyond the memory":      {valid, "limits: { maxBody: 20MiB }\nresources: { limits: { memory: 64Mi }, requests: { memory: 64Mi } }", "limits.maxBody (20MiB) must not be more than limits.maxInFlightBytes, by default a quarter of resources.limits.memory"},
		"a second number for memory":    {valid, "extraEnv: [{ name: GOMEMLIMIT, value: 1GiB }]", "extraEnv must not set GOMEMLIMIT: the program derives it from resources.limits.memory"},
		"a registry with a scheme":      {valid, "global: { imageRegistry: 'https://registry.example.com' }", "at '/global/imageRegistry': value must be 'a registry without a scheme"},
		"a path that leads nowhere":     {valid, "publicURL: https://crm.example.com/eu\nsubPaths: [/us]\ningress: { enabled: true, hosts: [crm.example.com] }", "publicURL has the path /eu, and no rule of ingress or httpRoute begins with it"},
		"one path of two":               {valid, "publicURL: ['https://a.example/us', 'https://b.example/eu/']\nsubPaths: [/us]\nhttpRoute: { enabled: true, parentRefs: [{ name: public }] }", "publicURL has the path /eu, and no rule"},
		"a claim of somebody else":      {valid, "podSecurityContext: { fsGroup: null }", "podSecurityContext.fsGroup must be set beside runAsUser: user 65532 could not write to the claim"},
		"a number for a name":           {valid, "tls: { existingSecret: 123 }", "at '/tls/existingSecret': got number, want string"},
		"a namespace with capitals":     {valid, "namespaceOverride: Sales", "at '/namespaceOverride': value must be 'the name of a namespace"},
		"a claim for two":               {valid, "persistence: { existingClaim: mine }", "persistence.existingClaim is for one replica, and there are 2"},
		"a claim for no disk":           {valid, "delivery: direct\npersistence: { existingClaim: mine }", "persistence.existingClaim has no effect with delivery direct"},
		"a claim that is off":           {embedded, "persistence: { enabled: false, existingClaim: mine }", "persistence.existingClaim has no effect without persistence.enabled"},
		"a class of no claim":           {embedded, "persistence: { existingClaim: mine, storageClass: fast }", "persistence.storageClass has no effect with persistence.existingClaim"},
		"two budgets":                   {valid, "podDisruptionBudget: { minAvailable: 1, maxUnavailable: 1 }", "podDisruptionBudget has minAvailable and maxUnavailable: keep one"},
		"a budget of all":               {valid, "podDisruptionBudget: { minAvailable: 2 }", "podDisruptionBudget.minAvailable 2 of 2 replicas lets no pod be evicted"},
		"a budget of all in per cent":   {valid, "podDisruptionBudget: { minAvailable: 51% }", "podDisruptionBudget.minAvailable 51% of 2 replicas lets no pod be evicted"},
		"a budget of the fewest":        {valid, "delivery: direct\nautoscaling: { enabled: true }\npodDisruptionBudget: { minAvailable: 3 }", "podDisruptionBudget.minAvailable 3 of 2 replicas lets no pod be evicted"},
		"nothing to scale by":           {valid, "delivery: direct\nautoscaling: { enabled: true, targetCPUUtilizationPercentage: null }", "What shall the pods scale by?"},
		"a metric without a type":       {valid, "delivery: direct\nautoscaling: { enabled: true, metrics: [{ pods: {} }] }", "missing property 'type'"},
		"every pod at once":             {valid, "delivery: direct\nupdateStrategy: { type: Recreate }", "at '/updateStrategy/type': value must be 'RollingUpdate or OnDelete: Recreate ends every pod"},
		"on delete, in a Deployment":    {valid, "delivery: direct\nupdateStrategy: { type: OnDelete }", "updateStrategy.type OnDelete has no effect with delivery direct"},
		"a partition of a Deployment":   {valid, "delivery: direct\nupdateStrategy: { rollingUpdate: { partition: 1 } }", "updateStrategy.rollingUpdate.partition has no effect with a Deployment"},
		"a surge of a StatefulSet":      {valid, "updateStrategy: { rollingUpdate: { maxSurge: 1 } }", "updateStrategy.rollingUpdate.maxSurge has no effect with a StatefulSet"},
		"a partition on delete":         {valid, "updateStrategy: { type: OnDelete, rollingUpdate: { partition: 1 } }", "updateStrategy.rollingUpdate has no effect with updateStrategy.type OnDelete"},
		"a hook that takes the grace":   {valid, "lifecycle: { preStop: { exec: { command: [/usr/local/bin/crm-bridge, version] } } }", "terminationGracePeriodSeconds must be set with lifecycle.preStop"},
		"a sleep that takes the grace":  {valid, "lifecycle: { preStop: { sleep: { seconds: 20 } } }\nterminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds is 60, but the drain may take 65"},
		"a hook of two kinds":           {valid, "lifecycle: { preStop: { sleep: { seconds: 1 }, exec: { command: [x] } } }", "at '/lifecycle/preStop'"},
		"a signal that ends at once":    {valid, "lifecycle: { stopSignal: SIGKILL }", "at '/lifecycle': additional properties 'stopSignal' not allowed"},
		"a second crm-bridge":           {valid, "extraContainers: [{ name: crm-bridge, image: x }]", "at '/extraContainers/0/name': value must be 'another name than crm-bridge"},
		"a container of no image":       {valid, "initContainers: [{ name: first }]", "missing property 'image'"},
		"no name server":                {valid, "dnsPolicy: None", "at '/dnsConfig': value must be 'given with nameservers where dnsPolicy is None"},
		"an unknown DNS policy":         {valid, "dnsPolicy: HostFirst", "at '/dnsPolicy': value must be one of"},
		"a class of no load balancer":   {valid, "service: { loadBalancerClass: internal }", "at '/service/loadBalancerClass': value must be 'empty, or service.type be LoadBalancer"},
		"a family of no address":        {valid, "service: { ipFamilies: [IPv5] }", "at '/service/ipFamilies/0': value must be one of 'IPv4', 'IPv6'"},
		"a label that selects services": {valid, "service: { labels: { app.kubernetes.io/component: x } }", "service.labels must not set app.kubernetes.io/component"},
		"a label that is the chart's":   {valid, "workloadLabels: { app.kubernetes.io/name: x }", "workloadLabels must not set app.kubernetes.io/name"},
		"a network that is none":        {valid, "networkPolicy: { callbacksFrom: [{ ipBlock: { cidr: nodes } }] }", "at '/networkPolicy/callbacksFrom/0/ipBlock/cidr': value must be 'a network such as 10.0.0.0/16"},
		"a network and pods":            {valid, "networkPolicy: { callbacksFrom: [{ ipBlock: { cidr: 10.0.0.0/8 }, podSelector: {} }] }", "at '/networkPolicy/callbacksFrom/0/podSelector': value must be 'absent beside ipBlock"},
		"ports of no NATS":              {embedded, "networkPolicy: { natsPorts: [4222] }", "networkPolicy.natsPorts has no effect without nats.url"},
		"ports of no collector":         {valid, "networkPolicy: { tracesPorts: [4318] }", "networkPolicy.tracesPorts has no effect without tracing.endpoint"},
		"ports of no API":               {valid, "networkPolicy: { crmPorts: [8443] }", "networkPolicy.crmPorts has no effect without the credentials of a CRM's API"},
		"a sub-path of nothing":         {valid, "subPaths: [/crm]", "subPaths has no effect without ingress.enabled or httpRoute.enabled"},
		"a sub-path without a slash":    {valid, "subPaths: [crm]", "at '/subPaths/0': value must be 'a path such as /crm"},
		"an object of your own, empty":  {valid, "extraObjects: ['']", "at '/extraObjects/0'"},
		"a variable that others need":   {valid, "extraEnv: [{ name: BRIDGE_ADMIN_LISTEN, value: ':1' }]", "extraEnv must not set BRIDGE_ADMIN_LISTEN"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := manifests(loader.MergeMaps(parse(t, c.base), parse(t, c.values)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("not refused with %q:\n%v", c.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "hush-hush") {
				t.Errorf("the refusal shows a secret:\n%v", err)
			}
		})
	}
}

// What may look impossible and is not: variables may come from a Secret of your own, whole.
func TestWhatIsAllowed(t *testing.T) {
	for name, values := range map[string]string{
		"a secret of a volume of yours":   "nats: { url: 'nats://nats' }\nsettings: { BRIDGE_ZOHO_TOKENS_FILE: /vault/tokens }",
		"an account of its own":           valid + "secrets: { BRIDGE_ZOHO_TOKENS: { value: t }, BRIDGE_ZOHO_EMEA_TOKENS: { value: t } }",
		"secrets from extraEnvFrom":       "nats: { url: 'nats://nats' }\nextraEnvFrom: [{ secretRef: { name: crm } }]",
		"one replica beside a NATS":       valid + "replicas: 1",
		"none, with a claim of your own":  valid + "replicas: 0\npersistence: { existingClaim: mine }",
		"a budget of half":                valid + "podDisruptionBudget: { minAvailable: 50% }",
		"a budget of one replica":         embedded + "podDisruptionBudget: { minAvailable: 1 }",
		"a Deployment, by its strategy":   valid + "delivery: direct\nupdateStrategy: { type: RollingUpdate }",
		"many replicas beside a NATS":     valid + "replicas: 9",
		"one replica with an own store":   embedded + "replicas: 1",
		"what Helm gives to subcharts":    valid + "global: { team: sales }",
		"a loopback address with exec":    valid + "adminHost: 127.0.0.1\nprobes: { type: exec }",
		"more grace than the drain needs": valid + "terminationGracePeriodSeconds: 300",
		"several servers of NATS":         "nats: { url: 'nats://a:4222, tls://b.example.com:5222/,[2001:db8::1]:4222,wss://c' }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: t } }",
		"a part of the pods":              valid + "podDisruptionBudget: { maxUnavailable: 25% }",
		"networks and addresses":          valid + "limits: { allow: [203.0.113.0/24, 192.0.2.7, '2001:db8::/32', '::1', '::ffff:10.0.0.0/104'] }",
		"no user of its own, OpenShift":   valid + "podSecurityContext: { runAsUser: null, runAsGroup: null, fsGroup: null }",
		"a variable of a CRM beside":      valid + "extraEnv: [{ name: BRIDGE_ZOHO_DC, value: eu }, { name: BRIDGE_ZOHO_CLIENT_SECRET_FILE, value: /x }]",
		"limits that fill the claim":      valid + "journal: { maxBytes: 9GiB }",
		"a stream of a NATS of one's own": valid + "stream: { maxBytes: 500GiB }\nrecords: { maxBytes: 100GiB }",
		"no limits at all":                valid + "resources: null",
		"memory as a number":              valid + "resources: { limits: { memory: 536870912 }, requests: { memory: 128e6 } }",
		"a device":                        valid + "resources: { limits: { example.com/gpu: 1 } }",
		"a public URL below a path":       valid + "publicURL: https://crm.example.com/eu\ningress: { enabled: true, hosts: [crm.example.com] }",
		"a public URL without an Ingress": valid + "publicURL: https://crm.example.com/eu",
		"a label at two places":           valid + "commonLabels: { team: sales }\npodLabels: { team: marketing }",
		"monitoring on the node, by name": valid + "hostNetwork: true\nserviceMonitor: { enabled: true }\nadminHost: 10.0.0.7",
	} {
		if _, err := manifests(parse(t, values)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
