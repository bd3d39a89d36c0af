//! What the template promises about a deployment: a change makes a new version, production keeps
//! its data, an invocation by schedule is not retried because the next minute brings another one,
//! and time-outs are long enough.

use std::collections::BTreeSet;
use std::time::Duration;

use application::orders::create::Budgets;
use serde_json::{Value, json};

use crate::template::{reads, template};
use crate::{document, resources, root};

fn parameters_in(value: &Value, document: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(value, document, &mut found);
    found
}

fn collect(value: &Value, document: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, document, found)),
        Value::Object(entries) => {
            for (key, item) in entries {
                match (key.as_str(), item) {
                    ("Ref", Value::String(name)) => insert(name, document, found),
                    ("Fn::Sub", _) => substituted(item, document, found),
                    ("Condition", Value::String(name)) => {
                        collect(&document["Conditions"][name], document, found);
                    }
                    ("Fn::If", Value::Array(parts)) => {
                        let condition = parts[0].as_str().unwrap();
                        collect(&document["Conditions"][condition], document, found);
                    }
                    _ => {}
                }
                collect(item, document, found);
            }
        }
        _ => {}
    }
}

/// Policies whose identifiers replace long parameters in the descriptions of functions. A policy
/// with a changed description is a new policy, with a new identifier.
const NOTES: [&str; 3] = ["ClusterSettings", "CdnSettings", "ConsumerSettings"];

/// The description of the policy with this identifier.
fn note<'a>(identifier: &str, document: &'a Value) -> Option<&'a Value> {
    let name = identifier.strip_suffix(".PolicyId")?;
    let noted = || &document["Resources"][name]["Properties"]["Description"];
    NOTES.contains(&name).then(noted)
}

fn cluster_settings(document: &Value) -> &Value {
    note("ClusterSettings.PolicyId", document).unwrap()
}

fn insert(name: &str, document: &Value, found: &mut BTreeSet<String>) {
    if document["Parameters"].get(name).is_some() {
        found.insert(name.to_owned());
    } else if let Some(description) = note(name, document) {
        collect(description, document, found);
    }
}

fn substituted(argument: &Value, document: &Value, found: &mut BTreeSet<String>) {
    let text = argument.get(0).unwrap_or(argument).as_str().unwrap();
    for part in text.split("${").skip(1) {
        insert(part.split_once('}').unwrap().0, document, found);
    }
}

/// Properties that are not part of a version: Lambda keeps them for the function, or SAM makes
/// other resources of them.
const NOT_OF_A_VERSION: [&str; 9] = [
    "AutoPublishAliasAllProperties",
    "CodeUri",
    "DeploymentPreference",
    "Description",
    "EventInvokeConfig",
    "Events",
    "ReservedConcurrentExecutions",
    "Role",
    "VersionDescription",
];

#[test]
fn every_parameter_that_reaches_a_function_makes_a_new_version_when_it_changes() {
    let document = document();
    let globals = &document["Globals"]["Function"];
    let settings = parameters_in(cluster_settings(&document), &document);
    for (name, function) in resources(&document, "AWS::Serverless::Function") {
        let properties = function["Properties"].as_object().unwrap();
        let mut reaching = BTreeSet::new();
        for (property, value) in globals.as_object().unwrap().iter().chain(properties) {
            if !NOT_OF_A_VERSION.contains(&property.as_str()) {
                reaching.extend(parameters_in(value, &document));
            }
        }
        // A subnet is in one VPC, so another VPC means other subnets.
        reaching.remove("VpcId");
        let described = parameters_in(&properties["VersionDescription"], &document);
        let missing: Vec<_> = reaching.difference(&described).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        // All functions share ClusterSettings, so a new topic also makes a new version of health.
        let needless: Vec<_> =
            described.difference(&reaching).filter(|one| !settings.contains(*one)).collect();
        assert!(needless.is_empty(), "{name}: {needless:?}");
        assert_eq!(properties["Description"], properties["VersionDescription"], "{name}");
        assert_eq!(properties["AutoPublishAliasAllProperties"], true, "{name}");
    }
}

/// Lambda's limit
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>).
const DESCRIPTION_MAX: usize = 256;

/// IAM's limit
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>).
const POLICY_DESCRIPTION_MAX: usize = 1000;

/// A policy's identifier has 21 characters
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html>); this leaves
/// room for more.
const POLICY_ID_LENGTH_MAX: usize = 32;

/// Lambda accepts 16 subnets, each `subnet-` with 17 digits, separated by commas.
const SUBNETS_LENGTH_MAX: usize = 16 * 25 - 1;

/// Of the result of a `!Sub`, for any parameters.
fn longest(value: &Value, document: &Value) -> usize {
    let sub = &value["Fn::Sub"];
    let mut parts = sub.get(0).unwrap_or(sub).as_str().unwrap().split("${");
    let mut length = parts.next().unwrap().len();
    for part in parts {
        let (name, text) = part.split_once('}').unwrap();
        let variable = sub.get(1).and_then(|variables| variables.get(name));
        length += text.len() + longest_part(name, variable, document);
    }
    length
}

fn longest_part(name: &str, variable: Option<&Value>, document: &Value) -> usize {
    match (name, variable) {
        _ if note(name, document).is_some() => POLICY_ID_LENGTH_MAX,
        ("Subnets", Some(_)) => SUBNETS_LENGTH_MAX,
        (_, Some(choice)) => {
            let chosen = parameters_in(choice, document);
            chosen.iter().map(|parameter| longest_parameter(parameter, document)).max().unwrap()
        }
        (_, None) => longest_parameter(name, document),
    }
}

fn longest_parameter(name: &str, document: &Value) -> usize {
    let parameter = &document["Parameters"][name];
    if let Some(length) = parameter["MaxLength"].as_u64() {
        return usize::try_from(length).unwrap();
    }
    if let Some(most) = parameter["MaxValue"].as_u64() {
        return most.to_string().len();
    }
    let allowed = parameter["AllowedValues"].as_array();
    let allowed = allowed.unwrap_or_else(|| panic!("{name} may be of any length"));
    let length = |one: &Value| one.as_str().map_or_else(|| one.to_string().len(), str::len);
    allowed.iter().map(length).max().unwrap()
}

#[test]
fn the_settings_of_a_version_fit_into_its_description_for_any_parameters() {
    let document = document();
    for name in NOTES {
        let description = note(&format!("{name}.PolicyId"), &document).unwrap();
        let length = longest(description, &document);
        assert!(length <= POLICY_DESCRIPTION_MAX, "{name}: {length}");
    }
    for (name, function) in resources(&document, "AWS::Serverless::Function") {
        let length = longest(&function["Properties"]["VersionDescription"], &document);
        assert!(length <= DESCRIPTION_MAX, "{name}: {length}");
    }
}

#[test]
fn production_is_refused_without_the_parameters_that_protect_it() {
    let document = document();
    let rule = &document["Rules"]["ProdIsComplete"];
    assert_eq!(rule["RuleCondition"], json!({"Fn::Equals": [{"Ref": "Stage"}, "prod"]}));
    let assertions = rule["Assertions"].as_array().unwrap();
    let demands = |assertion: Value| assertions.iter().any(|one| one["Assert"] == assertion);
    for parameter in ["VpcId", "RocketmqSecret", "RocketmqTlsCaParameter", "AlarmEmail"] {
        let given = json!({"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, ""]}]});
        assert!(demands(given), "{parameter}");
    }
    assert!(demands(json!({"Fn::Equals": [{"Ref": "SigningKeyFile"}, ""]})));
}

#[test]
fn no_invocation_by_schedule_is_retried_or_late() {
    let document = document();
    let once = json!({"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60});
    let mut scheduled = BTreeSet::new();
    for (name, function) in resources(&document, "AWS::Serverless::Function") {
        let events = function["Properties"]["Events"].as_object().unwrap();
        for schedule in events.values().filter(|event| event["Type"] == "ScheduleV2") {
            assert_eq!(schedule["Properties"]["RetryPolicy"], once, "{name}");
            assert_eq!(function["Properties"]["EventInvokeConfig"], once, "{name}");
            scheduled.insert(name);
        }
    }
    assert_eq!(scheduled.len(), 2, "{scheduled:?}");
}

#[test]
fn stored_data_outlives_the_stack_in_production_only() {
    let document = document();
    let of_type = |r#type| resources(&document, r#type);
    let kept = of_type("AWS::DynamoDB::Table");
    assert_eq!(kept.len(), template().tables.len());
    let retained = json!({"Fn::If": ["IsProd", "Retain", "Delete"]});
    for (name, resource) in kept.iter().chain(&of_type("AWS::SecretsManager::Secret")) {
        assert_eq!(resource["DeletionPolicy"], retained, "{name}");
        assert_eq!(resource["UpdateReplacePolicy"], retained, "{name}");
    }
    for (name, table) in kept {
        let table = &table["Properties"];
        let protected = json!({"Fn::If": ["IsProd", true, false]});
        assert_eq!(table["DeletionProtectionEnabled"], protected, "{name}");
        let recovery = &table["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"], true, "{name}");
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
        assert_eq!(table["BillingMode"], "PAY_PER_REQUEST", "{name}");
    }
}

#[test]
fn expired_items_are_removed_by_their_table_and_logs_by_their_group() {
    let document = document();
    for (name, table) in resources(&document, "AWS::DynamoDB::Table") {
        let time_to_live = &table["Properties"]["TimeToLiveSpecification"];
        match name {
            // Products do not expire.
            "CatalogTable" => assert_eq!(time_to_live, &Value::Null, "{name}"),
            _ => {
                // Orders do not expire either: only a tombstone has this attribute.
                let attribute =
                    if name == "OrdersTable" { "tombstone_until" } else { "expires_at" };
                let expected = json!({"AttributeName": attribute, "Enabled": true});
                assert_eq!(time_to_live, &expected, "{name}");
            }
        }
    }
    for (name, group) in resources(&document, "AWS::Logs::LogGroup") {
        let days = &group["Properties"]["RetentionInDays"];
        assert_eq!(days, &json!({"Ref": "LogRetentionDays"}), "{name}");
    }
}

#[test]
fn functions_may_connect_only_to_the_cluster_and_to_aws_endpoints() {
    let document = document();
    let group = &document["Resources"]["FunctionsSecurityGroup"]["Properties"];
    assert_eq!(group["SecurityGroupIngress"], Value::Null);
    let rules = group["SecurityGroupEgress"].as_array().unwrap();
    let of = |rule: &Value| {
        let destinations =
            ["CidrIp", "DestinationPrefixListId", "DestinationSecurityGroupId"].map(|to| &rule[to]);
        let to = destinations.into_iter().find(|to| !to.is_null()).unwrap();
        assert_eq!((&rule["IpProtocol"], &rule["FromPort"]), (&json!("tcp"), &rule["ToPort"]));
        (rule["FromPort"].clone(), to.clone())
    };
    let always: Vec<_> = rules[..3].iter().map(of).collect();
    let reference = |name: &str| json!({"Ref": name});
    let expected = [
        (reference("NamesrvPort"), reference("ClusterCidr")),
        (reference("BrokerPort"), reference("ClusterCidr")),
        (json!(443), reference("DynamodbPrefixListId")),
    ];
    assert_eq!(always, expected);
    let endpoint = rules[3]["Fn::If"].as_array().unwrap();
    assert_eq!(&endpoint[0], &json!("HasInterfaceEndpoint"));
    let group = json!({"Fn::GetAtt": "EndpointSecurityGroup.GroupId"});
    assert_eq!(of(&endpoint[1]), (json!(443), group));
    let mail = rules[4]["Fn::If"].as_array().unwrap();
    assert_eq!((&mail[0], rules.len()), (&json!("HasMailEgress"), 5));
    assert_eq!(of(&mail[1]), (json!(443), reference("MailEgressCidr")));
    let gateway = &document["Resources"]["DynamodbGatewayEndpoint"]["Properties"];
    let condition = &gateway["PolicyDocument"]["Statement"][0]["Condition"];
    let this_account = json!({"StringEquals": {"aws:ResourceAccount": {"Ref": "AWS::AccountId"}}});
    assert_eq!(condition, &this_account);
}

#[test]
fn the_functions_security_group_is_deleted_before_their_roles() {
    let document = document();
    let roles: BTreeSet<String> = resources(&document, "AWS::Serverless::Function")
        .into_iter()
        .filter(|(_, function)| !function["Properties"]["VpcConfig"].is_null())
        .map(|(name, _)| name.replace("Function", "Role"))
        .collect();
    let outlived = &document["Resources"]["FunctionsSecurityGroup"]["DependsOn"];
    let outlived = outlived.as_array().unwrap().iter().map(|role| role.as_str().unwrap());
    assert_eq!(outlived.map(str::to_owned).collect::<BTreeSet<_>>(), roles);
}

#[test]
fn every_function_is_traced_and_its_concurrency_can_be_reserved() {
    let document = document();
    let globals = &document["Globals"]["Function"];
    assert_eq!(globals["Tracing"], "Active");
    assert_eq!(globals["Architectures"], json!([{"Ref": "Architecture"}]));
    for (name, function) in resources(&document, "AWS::Serverless::Function") {
        let reserved = &function["Properties"]["ReservedConcurrentExecutions"]["Fn::If"];
        let condition = reserved[0].as_str().unwrap_or_default();
        assert!(condition.starts_with("Has") && condition.ends_with("Concurrency"), "{name}");
        assert_eq!(reserved[2], json!({"Ref": "AWS::NoValue"}), "{name}");
    }
    // Three windows overlap, and a deployment adds one.
    let least = document["Parameters"]["ScheduledConcurrency"]["Default"].as_u64();
    assert!(least >= Some(4), "a flood of requests stops the functions on a schedule");
    let api = &document["Resources"]["Api"]["Properties"];
    let limits = &api["DefaultRouteSettings"];
    assert_eq!(limits["ThrottlingRateLimit"], json!({"Ref": "ThrottlingRate"}));
    assert_eq!(limits["ThrottlingBurstLimit"], json!({"Ref": "ThrottlingBurst"}));
    let format = api["AccessLogSettings"]["Format"].as_str().unwrap();
    assert!(format.contains("$context.requestId") && !format.contains("authoriz"), "{format}");
    assert_eq!(api["CorsConfiguration"]["Fn::If"][0], "HasCors");
    let is_closed = json!({"Fn::If": ["HasDomain", true, false]});
    assert_eq!(api["DisableExecuteApiEndpoint"], is_closed);
    for part in ["ApiDomain", "ApiDomainMapping"] {
        assert_eq!(document["Resources"][part]["Condition"], "HasDomain", "{part}");
    }
}

#[test]
fn a_page_of_another_origin_may_use_every_method_that_is_routed() {
    let routed: BTreeSet<String> = template()
        .functions
        .iter()
        .flat_map(|function| &function.routes)
        // A browser permits HEAD without asking (https://fetch.spec.whatwg.org/#cors-safelisted-method).
        .filter(|route| route.path != "$default" && route.method != "HEAD")
        .map(|route| route.method.to_string())
        .collect();
    let document = document();
    let cors = &document["Resources"]["Api"]["Properties"]["CorsConfiguration"]["Fn::If"][1];
    let allowed = cors["allowMethods"].as_array().unwrap().iter();
    let allowed: BTreeSet<String> =
        allowed.map(|method| method.as_str().unwrap().to_owned()).collect();
    assert_eq!(allowed, routed);
}

#[test]
fn a_line_of_the_access_log_is_json_after_any_error() {
    let document = document();
    let settings = &document["Resources"]["Api"]["Properties"]["AccessLogSettings"];
    let line: Value = serde_json::from_str(settings["Format"].as_str().unwrap()).unwrap();
    // A message may contain quotation marks.
    let messages = ["$context.error.message", "$context.integration.error"];
    for variable in line.as_object().unwrap().values().map(|value| value.as_str().unwrap()) {
        assert!(variable.starts_with("$context."), "{variable}");
        let is_message = messages.contains(&variable) || variable.ends_with("Message");
        assert!(!is_message, "{variable}");
    }
    let group = &document["Resources"]["ApiLogs"]["Properties"]["LogGroupName"]["Fn::Sub"];
    assert!(group.as_str().unwrap().starts_with("/aws/vendedlogs/"), "{group}");
}

#[test]
fn functions_that_talk_to_the_cluster_are_in_the_vpc_and_no_others() {
    let document = document();
    for function in template().functions {
        let vpc = &document["Resources"][&function.logical_id]["Properties"]["VpcConfig"];
        let talks = function.environment.contains_key("ROCKETMQ_NAMESRV_ADDR");
        assert_eq!(!vpc.is_null(), talks, "{}", function.name);
        if talks {
            assert_eq!(vpc["Fn::If"][0], "InVpc", "{}", function.name);
        }
    }
}

/// API Gateway's own limit
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>).
const INTEGRATION_MAX: Duration = Duration::from_secs(30);

/// A function on a schedule reserves this time for the end of its window.
fn reserve(function: &str) -> Duration {
    let path = root().join("functions").join(function).join("src/lib.rs");
    let source = std::fs::read_to_string(path).unwrap();
    let (_, seconds) = source.split_once("const RESERVE: Duration = Duration::from_secs(").unwrap();
    Duration::from_secs(seconds.split_once(')').unwrap().0.parse().unwrap())
}

#[test]
fn every_function_has_the_time_that_its_work_may_take() {
    let document = document();
    let window = |parameter: &str| {
        Duration::from_secs(document["Parameters"][parameter]["MaxValue"].as_u64().unwrap())
    };
    let budgets = Budgets::default();
    let work = budgets.half_message + budgets.transaction + budgets.end;
    for function in template().functions {
        let least = match function.name.as_str() {
            "create-order" => work,
            name @ "event-consumer" => window("ConsumerWindowSeconds") + reserve(name),
            name @ "transaction-check" => window("CheckWindowSeconds") + reserve(name),
            _ => Duration::ZERO,
        };
        assert!(function.timeout > least, "{}", function.name);
        let answers = !function.routes.is_empty();
        assert!(!answers || function.timeout <= INTEGRATION_MAX, "{}", function.name);
    }
}

#[test]
fn every_kind_of_failure_has_an_alarm() {
    let document = document();
    let named: BTreeSet<&str> = resources(&document, "AWS::CloudWatch::Alarm")
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| !name.ends_with("ErrorsAlarm") && !name.ends_with("SilentAlarm"))
        .collect();
    let of_the_whole = [
        "ApiLatencyAlarm",
        "ConsumerLagAlarm",
        "DeadLettersAlarm",
        "EventsDeferredAlarm",
        "EventsUndeliveredAlarm",
        "EventsPostponedAlarm",
        "EventsUnreadableAlarm",
        "FailedGaugesAlarm",
        "FailedLooksAlarm",
        "FailedReceivesAlarm",
        "HalfMessagesDiscardedAlarm",
        "PendingEventAlarm",
        "ThrottlesAlarm",
    ];
    assert_eq!(named, of_the_whole.into());
    assert_eq!(document["Resources"]["ApiServerErrorsAlarm"]["Type"], "AWS::CloudWatch::Alarm");
}

#[test]
fn events_that_wait_for_newer_code_raise_no_alarm() {
    let document = document();
    let alarm = &document["Resources"]["EventsPostponedAlarm"]["Properties"];
    let metrics = alarm["Metrics"].as_array().unwrap();
    let metric = |id: &str| {
        let found = metrics.iter().find(|metric| metric["Id"] == id).unwrap();
        &found["MetricStat"]["Metric"]["MetricName"]
    };
    // Each message of a newer event is counted in both.
    assert_eq!(
        (metric("postponed"), metric("newer")),
        (&json!("EventsPostponed"), &json!("EventsNewer"))
    );
    let expression = metrics.iter().find_map(|metric| metric["Expression"].as_str());
    assert_eq!(expression, Some("postponed - FILL(newer, 0)"));
    assert_eq!(alarm["Threshold"], 0);
}

#[test]
fn a_new_version_that_always_fails_is_rolled_back_even_at_few_requests() {
    let document = document();
    let share = "IF((errors > 5) OR (errors > 0.05 * FILL(invocations, 0)), 1, 0)";
    for function in template().functions.iter().filter(|function| !function.routes.is_empty()) {
        let name = function.logical_id.replace("Function", "ServerErrorsAlarm");
        let metrics = document["Resources"][&name]["Properties"]["Metrics"].as_array().unwrap();
        let expression = metrics.iter().find_map(|metric| metric["Expression"].as_str());
        assert_eq!(expression, Some(share), "{name}");
    }
}

#[test]
fn a_scheduled_function_is_deployed_in_steps_and_rolled_back_at_one_error() {
    let document = document();
    for function in template().functions.iter().filter(|function| !function.schedules.is_empty()) {
        let name = &function.logical_id;
        let preference = &document["Resources"][name]["Properties"]["DeploymentPreference"];
        let steps = json!({"Fn::If": ["IsAllAtOnce", "AllAtOnce", "Linear10PercentEvery1Minute"]});
        assert_eq!(preference["Type"], steps, "{name}");
        let alarm = preference["Alarms"][0]["Ref"].as_str().unwrap();
        let alarm = &document["Resources"][alarm]["Properties"];
        assert_eq!(alarm["DatapointsToAlarm"], 1, "{name}");
        assert_eq!(alarm["Threshold"], 0, "{name}");
    }
}

#[test]
fn a_function_starts_with_every_hash_cost_that_the_rules_allow() {
    let document = document();
    let allowed = |parameter: &str| {
        let allowed = document["Parameters"][parameter]["AllowedValues"].as_array().unwrap();
        allowed.iter().map(Value::to_string).collect::<Vec<_>>()
    };
    let rule = &document["Rules"]["OnePassIsOverEnoughMemory"];
    assert_eq!(rule["RuleCondition"], json!({"Fn::Equals": [{"Ref": "Argon2Passes"}, 1]}));
    let enough = &rule["Assertions"][0]["Assert"]["Fn::Contains"][0];
    let template = template();
    let hashing =
        template.functions.iter().filter(|one| one.environment.contains_key("ARGON2_PASSES"));
    for function in hashing {
        for passes in allowed("Argon2Passes") {
            for memory in allowed("Argon2MemoryKib") {
                let mut environment = function.environment.clone();
                environment.insert("ARGON2_PASSES".to_owned(), passes.clone());
                environment.insert("ARGON2_MEMORY_KIB".to_owned(), memory.clone());
                let listed = enough.as_array().unwrap().iter().any(|one| *one == memory);
                let starts = reads(&function.name, &environment).is_ok();
                assert_eq!(starts, passes != "1" || listed, "{passes} over {memory}");
            }
        }
    }
}

fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let table = text.lines().skip_while(|line| !line.starts_with("| setting |")).skip(2);
    let first_cells = table.map_while(|line| line.strip_prefix("| ")?.split('|').next());
    // Names are in backticks: every second part.
    first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn every_variable_that_a_function_reads_is_set() {
    let settings = documented();
    assert!(settings.len() > 10);
    for function in template().functions {
        for name in settings.difference(&function.environment.keys().cloned().collect()) {
            // The key is in the stack's secret, or in a file on a developer's machine.
            if name == "SIGNING_KEY_FILE" {
                continue;
            }
            // An invalid value of a variable that is read prevents the start.
            let mut more = function.environment.clone();
            more.insert(name.clone(), "\u{1}".to_owned());
            assert_eq!(reads(&function.name, &more), Ok(()), "{} reads {name}", function.name);
        }
    }
}

#[test]
fn the_stages_set_only_parameters_that_exist() {
    let text = std::fs::read_to_string(root().join("samconfig.toml")).unwrap();
    let document = document();
    let lists = text.lines().filter_map(|line| line.strip_prefix("parameter_overrides = ["));
    let mut given = 0;
    for item in lists.flat_map(|list| list.trim_end_matches(']').split(", ")) {
        let (name, value) = item.trim_matches('"').split_once('=').unwrap();
        let parameter = &document["Parameters"][name];
        assert!(parameter.is_object(), "{name}");
        if let Some(allowed) = parameter["AllowedValues"].as_array() {
            let allows = |one: &Value| one.as_str().map_or(one.to_string(), str::to_owned) == value;
            assert!(allowed.iter().any(allows), "{item}");
        }
        given += 1;
    }
    assert!(given > 0);
}

#[test]
fn a_workflow_deploys_the_stages_with_the_parameters_of_samconfig() {
    let stages = std::fs::read_to_string(root().join("samconfig.toml")).unwrap();
    let workflow = std::fs::read_to_string(root().join(".github/workflows/deploy.yml")).unwrap();
    let lists =
        stages.lines().filter_map(|line| line.strip_prefix("parameter_overrides = [\"Stage="));
    let mut compared = 0;
    for list in lists {
        let stage = format!("Stage={}", list.trim_end_matches(']').replace(['"', ','], ""));
        // The workflow sets the architecture of both stages in one place.
        let stage = stage.replace(" Architecture=arm64", "");
        assert!(workflow.contains(&format!("stage=\"{stage}\"")), "{stage}");
        compared += 1;
    }
    assert_eq!(compared, 2);
}
