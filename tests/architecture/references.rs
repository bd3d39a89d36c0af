//! Every reference of the template resolves, and every parameter and condition is used.
//!
//! The linters miss a dangling reference inside `Globals` and inside SAM's policies and events.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document;

/// The names to which a template refers.
#[derive(Debug, Default)]
struct Names {
    /// `Ref` and plain names in `Fn::Sub`.
    referred: BTreeSet<String>,
    /// `Fn::GetAtt` and dotted names in `Fn::Sub`.
    attributes: BTreeSet<String>,
    conditions: BTreeSet<String>,
}

impl Names {
    fn of(value: &Value) -> Self {
        let mut names = Self::default();
        names.collect(value);
        names
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Object(entries) => {
                for (key, item) in entries {
                    self.name(key, item);
                    self.collect(item);
                }
            }
            _ => {}
        }
    }

    fn name(&mut self, key: &str, argument: &Value) {
        match (key, argument) {
            ("Ref", Value::String(name)) => {
                self.referred.insert(name.clone());
            }
            ("Fn::GetAtt", Value::String(path)) => {
                self.attributes.insert(path.clone());
            }
            ("Fn::GetAtt", Value::Array(parts)) => {
                let parts: Vec<_> = parts.iter().map(|part| part.as_str().unwrap()).collect();
                self.attributes.insert(parts.join("."));
            }
            ("Fn::Sub", Value::String(text)) => self.substituted(text, &Value::Null),
            ("Fn::Sub", Value::Array(parts)) => {
                self.substituted(parts[0].as_str().unwrap(), &parts[1]);
            }
            ("Fn::If", Value::Array(parts)) => {
                self.conditions.insert(parts[0].as_str().unwrap().to_owned());
            }
            ("Condition", Value::String(name)) => {
                self.conditions.insert(name.clone());
            }
            _ => {}
        }
    }

    fn substituted(&mut self, text: &str, variables: &Value) {
        for part in text.split("${").skip(1) {
            let (name, _) = part.split_once('}').unwrap();
            if name.starts_with('!') || variables.get(name).is_some() {
                continue;
            }
            let names = if name.contains('.') { &mut self.attributes } else { &mut self.referred };
            names.insert(name.to_owned());
        }
    }
}

/// Those of the type that the template may use.
fn attributes(r#type: &str) -> &'static [&'static str] {
    match r#type {
        "AWS::DynamoDB::Table"
        | "AWS::IAM::Role"
        | "AWS::Logs::LogGroup"
        | "AWS::Serverless::Function" => &["Arn"],
        "AWS::EC2::SecurityGroup" => &["GroupId"],
        "AWS::IAM::ManagedPolicy" => &["PolicyId"],
        "AWS::ApiGatewayV2::DomainName" => &["RegionalDomainName", "RegionalHostedZoneId"],
        _ => &[],
    }
}

const PSEUDO_PARAMETERS: [&str; 6] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackName",
    "AWS::URLSuffix",
];

fn keys(section: &Value) -> BTreeSet<String> {
    section.as_object().map(|entries| entries.keys().cloned().collect()).unwrap_or_default()
}

fn dangling(document: &Value) -> Vec<String> {
    let names = Names::of(document);
    let (parameters, resources) = (keys(&document["Parameters"]), keys(&document["Resources"]));
    let known = |name: &str| {
        // SAM accepts a stage's name as a part of its API.
        let resource = name.strip_suffix(".Stage").unwrap_or(name);
        parameters.contains(name)
            || resources.contains(resource)
            || PSEUDO_PARAMETERS.contains(&name)
    };
    let attribute = |path: &str| {
        path.split_once('.').is_some_and(|(resource, attribute)| {
            let r#type = document["Resources"][resource]["Type"].as_str().unwrap_or_default();
            attributes(r#type).contains(&attribute)
        })
    };
    let conditions = keys(&document["Conditions"]);
    let unknown_names = names.referred.into_iter().filter(|name| !known(name));
    let unknown_attributes = names.attributes.into_iter().filter(|path| !attribute(path));
    let unknown_conditions = names.conditions.into_iter().filter(|name| !conditions.contains(name));
    unknown_names.chain(unknown_attributes).chain(unknown_conditions).collect()
}

#[test]
fn every_reference_resolves() {
    assert_eq!(dangling(&document()), Vec::<String>::new());
}

#[test]
fn every_parameter_and_condition_is_used() {
    let document = document();
    // A rule only checks a parameter, and does not use it.
    let used = Names::of(&serde_json::json!([
        document["Globals"],
        document["Resources"],
        document["Outputs"],
        document["Conditions"]
    ]));
    let unused: Vec<_> = keys(&document["Parameters"])
        .difference(&used.referred)
        .chain(keys(&document["Conditions"]).difference(&used.conditions))
        .cloned()
        .collect();
    assert_eq!(unused, Vec::<String>::new());
}

#[test]
fn a_dangling_reference_is_noticed_wherever_it_is() {
    let broken = serde_json::json!({
        "Parameters": {"Here": {"Type": "String"}},
        "Conditions": {"IsHere": {"Fn::Equals": [{"Ref": "Here"}, ""]}},
        "Globals": {"Function": {"Environment": {"Variables": {"A": {"Ref": "InGlobals"}}}}},
        "Resources": {
            "Table": {"Type": "AWS::DynamoDB::Table", "Condition": "OnAResource"},
            "Function": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Policies": [{"DynamoDBReadPolicy": {"TableName": {"Ref": "InAPolicy"}}}],
                    "A": {"Fn::GetAtt": "Table.Name"},
                    "B": {"Fn::GetAtt": ["Gone", "Arn"]},
                    "C": {"Fn::Sub": "${Table.Arn}/${InASub}/${!Literal}"},
                    "D": {"Fn::Sub": ["${given}", {"given": {"Ref": "InAVariable"}}]},
                    "E": {"Fn::If": ["InAnIf", 1, 2]},
                },
            },
        },
    });
    let expected = [
        "InAPolicy",
        "InASub",
        "InAVariable",
        "InGlobals",
        "Gone.Arn",
        "Table.Name",
        "InAnIf",
        "OnAResource",
    ];
    assert_eq!(dangling(&broken), expected);
}
