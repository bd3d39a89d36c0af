//! The part of DynamoDB's expressions that determines the partitions of a write.

use serde_json::Value;

/// The change of an attribute by an update.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'call> {
    Untouched,
    Removed,
    /// `SET name = :value`.
    Set(&'call Value),
    /// A value that only the table knows.
    Computed,
}

/// The change of the top-level attribute `attribute` by the `UpdateExpression` of `request`.
pub(super) fn change<'call>(request: &'call Value, attribute: &str) -> Change<'call> {
    let expression = text(request, "UpdateExpression").unwrap_or_default();
    let mut clause = String::new();
    let mut change = Change::Untouched;
    for action in actions(expression) {
        let mut tokens = action.as_slice();
        if let [first, rest @ ..] = tokens
            && ["SET", "REMOVE", "ADD", "DELETE"].contains(&first.to_uppercase().as_str())
        {
            clause = first.to_uppercase();
            tokens = rest;
        }
        let [path, value @ ..] = tokens else { continue };
        let (top, nested) = path.split_once('.').map_or((*path, false), |(top, _)| (top, true));
        if name(request, top) != attribute {
            continue;
        }
        change = match (clause.as_str(), value) {
            _ if nested => Change::Computed,
            ("REMOVE", []) => Change::Removed,
            ("SET", ["=", placeholder]) => {
                placeheld(request, placeholder).map_or(Change::Computed, Change::Set)
            }
            _ => Change::Computed,
        };
    }
    change
}

/// The value to which a `KeyConditionExpression` compares the attribute for equality.
pub(super) fn equal_to<'call>(request: &'call Value, attribute: &str) -> Option<&'call Value> {
    let tokens = tokens(text(request, "KeyConditionExpression")?);
    tokens.windows(3).find_map(|window| match window {
        [path, "=", placeholder] if name(request, path) == attribute => {
            placeheld(request, placeholder)
        }
        _ => None,
    })
}

fn text<'call>(request: &'call Value, member: &str) -> Option<&'call str> {
    request.get(member)?.as_str()
}

/// `path` is the attribute's name or a placeholder.
fn name<'call>(request: &'call Value, path: &'call str) -> &'call str {
    let names = request.get("ExpressionAttributeNames");
    names.and_then(|names| names.get(path)?.as_str()).unwrap_or(path)
}

fn placeheld<'call>(request: &'call Value, placeholder: &str) -> Option<&'call Value> {
    request.get("ExpressionAttributeValues")?.get(placeholder)
}

/// The actions of an update. The first action of each clause begins with the clause's keyword.
fn actions(expression: &str) -> Vec<Vec<&str>> {
    let mut actions = vec![Vec::new()];
    let mut depth = 0_usize;
    for token in tokens(expression) {
        match token {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        let keyword = ["SET", "REMOVE", "ADD", "DELETE"].contains(&token.to_uppercase().as_str());
        if (token == "," || keyword) && depth == 0 {
            actions.push(Vec::new());
        }
        if token != ","
            && let Some(action) = actions.last_mut()
        {
            action.push(token);
        }
    }
    actions
}

/// Words and punctuation characters.
fn tokens(expression: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |sign: char| sign.is_alphanumeric() || "_#:.".contains(sign);
        let end = match is_word(first) {
            true => rest.find(|sign| !is_word(sign)).unwrap_or(rest.len()),
            false => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Change, change, equal_to};

    #[test]
    fn an_update_sets_removes_and_computes_attributes() {
        let request = json!({
            "UpdateExpression":
                "SET #s = :state, shard=:shard, due_ms = if_not_exists(due_ms, :due), \
                 n = n + :one REMOVE old, #p.#e add fenced :attempts",
            "ExpressionAttributeNames": {"#s": "state", "#p": "pending", "#e": "e-1"},
            "ExpressionAttributeValues": {
                ":state": {"S": "CONFIRMED"}, ":shard": {"S": "7"}, ":due": {"N": "1"},
                ":one": {"N": "1"}, ":attempts": {"BS": []},
            },
        });
        assert_eq!(change(&request, "state"), Change::Set(&json!({"S": "CONFIRMED"})));
        assert_eq!(change(&request, "shard"), Change::Set(&json!({"S": "7"})));
        assert_eq!(change(&request, "due_ms"), Change::Computed);
        assert_eq!(change(&request, "n"), Change::Computed);
        assert_eq!(change(&request, "old"), Change::Removed);
        assert_eq!(change(&request, "fenced"), Change::Computed);
        assert_eq!(change(&request, "pending"), Change::Computed);
        assert_eq!(change(&request, "lines"), Change::Untouched);
        assert_eq!(change(&json!({}), "lines"), Change::Untouched);
    }

    #[test]
    fn a_key_condition_names_its_partition() {
        let request = json!({
            "KeyConditionExpression": "(#k = :k) AND due_ms BETWEEN :from AND :to",
            "ExpressionAttributeNames": {"#k": "shard"},
            "ExpressionAttributeValues": {":k": {"S": "3"}},
        });
        assert_eq!(equal_to(&request, "shard"), Some(&json!({"S": "3"})));
        assert_eq!(equal_to(&request, "due_ms"), None);
    }
}
