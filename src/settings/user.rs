//! `[user]`: the statements that find users.

use serde_json::Value;

use super::{
    django::{Django, Field, Statement, UserItem},
    issue::Blockers,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    user_fields, user_names,
};
use crate::{
    database::DatabaseOptions,
    user::{ActiveFlag, FieldKind, Parameter, UserOptions, UserQuery},
};

const NAMES: [&str; 6] = ["user.table", "user.id", "user.id_kind", "user.username", "user.password", "user.is_active"];

/// Django's own statements, or those made of the names in `[user]`.
pub(super) fn read(
    layers: &mut Layers,
    django: &Django,
    database: Option<&DatabaseOptions>,
    blockers: &mut Blockers,
) -> Option<UserOptions> {
    let item = match django.item::<UserItem>("user") {
        Ok(item) => item,
        Err(problem) if layers.values.first_stated(&NAMES).is_none() => {
            layers.problems.push(problem);
            return None;
        }
        Err(_) => None,
    };
    match (item, layers.values.first_stated(&NAMES)) {
        (Some(item), None) => of_django(item, layers, blockers),
        (Some(_), Some(name)) => {
            let origin = layers.values.origin(name);
            layers.notes.push(format!("{origin}: [user] is stated, so Django's own user query is not used"));
            Some(user_names::read(layers, &database?.server, blockers))
        }
        (None, _) => Some(user_names::read(layers, &database?.server, blockers)),
    }
}

fn of_django(item: UserItem, layers: &mut Layers, blockers: &mut Blockers) -> Option<UserOptions> {
    let origin = Origin::Django("AUTH_USER_MODEL".to_owned());
    let statement = |statement: Option<Statement>, layers: &mut Layers| {
        let converted = statement.map(query).transpose();
        converted.unwrap_or_else(|sentence| {
            layers.problems.push(Problem::new(Code::NotTheDocument, sentence).at(&origin));
            None
        })
    };
    let by_id = statement(item.by_id, layers);
    let by_user_id_field = statement(item.by_user_id_field, layers);
    let by_username = statement(item.by_username, layers);
    let blacklist = statement(item.blacklist, layers);
    let mut refused = Vec::new();
    for sentence in item.unsupported {
        if sentence.starts_with("get_by_natural_key(") {
            layers.notes.push(format!("users cannot be found by name on the command line: {sentence}"));
        } else if only_for_tickets(&sentence, by_id.is_some() && by_user_id_field.is_none()) {
            blockers.push(&origin, sentence, "");
        } else {
            refused.push(sentence);
        }
    }
    let problem = match (&by_id, refused.as_slice()) {
        (Some(_), []) => None,
        (None, []) => Some((Code::UserStatement, "no reason was given".to_owned())),
        (None, reasons) => Some((Code::UserStatement, reasons.join("; "))),
        (Some(_), reasons) => Some((Code::NotWithoutPython, reasons.join("; "))),
    };
    if let Some((code, reasons)) = problem {
        let sentence = format!("the query for a user of {} cannot be matched without Python: {reasons}", item.model);
        let mend = "[user]\ntable = \"auth_user\"        # a plain table instead, and its columns by name";
        layers.problems.push(Problem::new(code, sentence).at(&origin).mend(mend));
    }
    let mut by_id = by_id?;
    let fields = match user_fields::of_django(item.all_fields, &item.model, layers) {
        Some((statement, fields)) => {
            by_id = query(statement)
                .map_err(|sentence| layers.problems.push(Problem::new(Code::NotTheDocument, sentence).at(&origin)))
                .ok()?;
            fields
        }
        None => Vec::new(),
    };
    let is_active = match item.is_active {
        Value::Bool(always) => ActiveFlag::Always(always),
        _ if by_id.columns.iter().any(|column| column == "is_active") => ActiveFlag::Column,
        _ => ActiveFlag::Always(true),
    };
    if by_user_id_field.is_none() {
        blockers.push(&origin, "Django's query for SimpleJWT's USER_ID_FIELD is not known", "");
    }
    Some(UserOptions {
        model: item.model,
        by_user_id_field: by_user_id_field.unwrap_or_else(|| by_id.clone()),
        by_id,
        fields,
        by_username,
        blacklist,
        is_active,
    })
}

/// Whether a part concerns only the check of access tokens, and not the tickets that are redeemed.
fn only_for_tickets(sentence: &str, no_query_for_tokens: bool) -> bool {
    sentence.starts_with("the query of the blacklist")
        || (no_query_for_tokens && sentence.starts_with("User.objects.get("))
}

fn query(statement: Statement) -> Result<UserQuery, String> {
    let parameter = |value: Value| match (value.get("sentinel"), value.get("value")) {
        (Some(Value::Bool(true)), _) => Ok(Parameter::Sentinel),
        (_, Some(Value::Bool(truth))) => Ok(Parameter::Bool(*truth)),
        (_, Some(Value::Null)) => Ok(Parameter::Null),
        (_, Some(Value::String(text))) => Ok(Parameter::Text(text.clone())),
        (_, Some(number)) => number
            .as_i64()
            .map(Parameter::Int)
            .ok_or_else(|| "a parameter of a user query has no known type".to_owned()),
        (_, None) => Err("a parameter of a user query is neither the sentinel nor a value".to_owned()),
    };
    let params = statement.params.into_iter().map(parameter).collect::<Result<Vec<_>, _>>()?;
    if !params.contains(&Parameter::Sentinel) {
        return Err("a user query has no place for the value that is looked up".to_owned());
    }
    Ok(UserQuery {
        sql: statement.sql,
        params,
        columns: statement.columns,
        lookup: field(&statement.lookup)?,
        id: field(&statement.id)?,
    })
}

fn field(field: &Field) -> Result<FieldKind, String> {
    match field.kind.as_str() {
        "integer" => Ok(FieldKind::Integer { min: field.min, max: field.max }),
        "uuid" => Ok(FieldKind::Uuid),
        "uuid_hex" => Ok(FieldKind::UuidHex),
        "text" => Ok(FieldKind::Text),
        other => Err(format!("a user query has a field of kind {other}, which is not known here")),
    }
}
