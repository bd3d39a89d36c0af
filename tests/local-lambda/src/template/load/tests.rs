//! The resolver with a small template.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Template, TemplateError};
use crate::template::{KeyType, Route};
use crate::{ACCOUNT_ID, REGION};

const SMALL: &str = "
Parameters:
  Address: {Type: String}
  Optional: {Type: String, Default: ''}
  Stage: {Type: String, Default: dev}
Conditions:
  HasOptional: !Not [!Equals [!Ref Optional, '']]
  IsProd: !Equals [!Ref Stage, prod]
  Both: !And [!Condition HasOptional, !Condition IsProd]
Globals:
  Function:
    Timeout: 10
    Environment:
      Variables: {SHARED: everywhere, LEVEL: info}
Resources:
  AFunction:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: a-function}}
    Properties:
      MemorySize: 256
      Policies: [{Statement: [{Resource: !Unheard Of}]}]
      Environment:
        Variables:
          LEVEL: debug
          TABLE: !Ref ATable
          ADDRESS: !Sub '${Address}/${AWS::StackName}'
          OPTIONAL: !If [HasOptional, !Ref Optional, !Ref AWS::NoValue]
          EMPTY: !Ref Optional
          BOTH: !If [Both, 'yes', 'no']
          ARN: !GetAtt ATable.Arn
      Events:
        Default: {Type: HttpApi}
        Get: {Type: HttpApi, Properties: {Path: '/things/{id}', Method: get}}
        Tick:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 minute), Input: '{\"n\": 1}'}
  ATable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions:
        - {AttributeName: sk, AttributeType: N}
        - {AttributeName: pk, AttributeType: S}
      KeySchema:
        - {AttributeName: sk, KeyType: RANGE}
        - {AttributeName: pk, KeyType: HASH}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
";

fn with(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_function_is_merged_from_globals_and_its_own_properties() {
    let template = Template::parse(SMALL, "stack", &with(&[("Address", "host:1")])).unwrap();
    let function = template.function("a-function").unwrap();
    assert_eq!(function.timeout, Duration::from_secs(10));
    assert_eq!(function.memory_mib, 256);
    assert_eq!(
        function.environment,
        with(&[
            ("SHARED", "everywhere"),
            ("LEVEL", "debug"),
            ("TABLE", "stack-ATable"),
            ("ADDRESS", "host:1/stack"),
            ("BOTH", "no"),
            ("ARN", "arn:aws:dynamodb:eu-central-1:000000000000:table/stack-ATable"),
        ])
    );
}

#[test]
fn an_optional_value_that_is_given_is_passed_on() {
    let overrides = with(&[("Address", "h"), ("Optional", "x"), ("Stage", "prod")]);
    let template = Template::parse(SMALL, "stack", &overrides).unwrap();
    let environment = &template.function("a-function").unwrap().environment;
    assert_eq!(environment.get("OPTIONAL").map(String::as_str), Some("x"));
    assert_eq!(environment.get("EMPTY").map(String::as_str), Some("x"));
    assert_eq!(environment.get("BOTH").map(String::as_str), Some("yes"));
}

#[test]
fn routes_and_schedules_are_read() {
    let template = Template::parse(SMALL, "stack", &with(&[("Address", "h")])).unwrap();
    let function = template.function("a-function").unwrap();
    let route = |method: &str, path: &str| Route { method: method.into(), path: path.into() };
    assert_eq!(function.routes, [route("ANY", "$default"), route("GET", "/things/{id}")]);
    assert_eq!(function.schedules.len(), 1);
    assert_eq!(function.schedules[0].rate, Duration::from_secs(60));
    assert_eq!(function.schedules[0].input, "{\"n\": 1}");
}

#[test]
fn a_table_has_its_partition_key_first() {
    let template = Template::parse(SMALL, "stack", &with(&[("Address", "h")])).unwrap();
    let table = template.table("ATable").unwrap();
    let key: Vec<_> = table.key.iter().map(|part| (part.name.as_str(), part.kind)).collect();
    assert_eq!(key, [("pk", KeyType::S), ("sk", KeyType::N)]);
    assert_eq!(table.ttl_attribute.as_deref(), Some("expires_at"));
}

#[test]
fn a_dangling_reference_is_an_error_that_names_it() {
    let text = SMALL.replace("!Ref ATable", "!Ref NoSuchTable");
    let error = Template::parse(&text, "stack", &with(&[("Address", "h")])).unwrap_err();
    assert!(matches!(&error, TemplateError::Unresolved(what) if what == "!Ref NoSuchTable"));

    let text = SMALL.replace("!Sub '${Address}/", "!Sub '${Adress}/");
    let error = Template::parse(&text, "stack", &with(&[("Address", "h")])).unwrap_err();
    assert!(error.to_string().contains("Adress"), "{error}");
}

#[test]
fn parameters_must_be_known_and_complete() {
    let error = Template::parse(SMALL, "stack", &with(&[])).unwrap_err();
    assert!(matches!(error, TemplateError::ParameterMissing(name) if name == "Address"));
    let overrides = with(&[("Address", "h"), ("Adress", "h")]);
    let error = Template::parse(SMALL, "stack", &overrides).unwrap_err();
    assert!(matches!(error, TemplateError::ParameterUnknown(name) if name == "Adress"));
}

proptest! {
    /// Every mistake leads to an error that describes it.
    #[test]
    fn no_mistake_in_a_template_makes_its_reader_panic(
        from in 0..SMALL.len(), length in 0_usize..40, instead in "\\PC{0,8}",
    ) {
        let to = SMALL.len().min(from + length);
        let text = [&SMALL[..from], &instead, &SMALL[to..]].concat();
        if let Err(error) = Template::parse(&text, "stack", &with(&[("Address", "h")])) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn a_role_of_the_template_has_permissions_on_tables_and_another_has_none() {
    let text = r#"
Resources:
  Things: {Type: AWS::DynamoDB::Table, Properties: {KeySchema: [{AttributeName: pk, KeyType: HASH}], AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]}}
  Own:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: own}}
    Properties: {Role: !GetAtt OwnRole.Arn}
  Others:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: others}}
    Properties: {Role: "arn:aws:iam::1:role/others"}
  OwnRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: logs:PutLogEvents, Resource: !GetAtt Nowhere.Arn}
              - {Effect: Deny, Action: dynamodb:Scan, Resource: !GetAtt Things.Arn}
              - Effect: Allow
                Action: [dynamodb:GetItem, dynamodb:Query]
                Resource: [!GetAtt Things.Arn, !Sub "${Things.Arn}/index/by_name"]
"#;
    let template = Template::parse(text, "shop", &BTreeMap::new()).unwrap();
    let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/shop-Things");
    let permitted = template.function("own").unwrap().permissions.as_ref().unwrap();
    let permitted: Vec<_> =
        permitted.iter().map(|one| format!("{} {}", one.action, one.resource)).collect();
    assert_eq!(
        permitted,
        [
            format!("dynamodb:GetItem {table}"),
            format!("dynamodb:GetItem {table}/index/by_name"),
            format!("dynamodb:Query {table}"),
            format!("dynamodb:Query {table}/index/by_name"),
        ]
    );
    assert_eq!(template.function("others").unwrap().permissions, None);
}
