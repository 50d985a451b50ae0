use serde_json::{Value, json};

use super::*;

fn schema(parameters: Value) -> Schema {
    let parameters: Vec<Parameter> = serde_json::from_value(parameters).unwrap_or_default();
    assert!(!parameters.is_empty());
    Schema {
        parameters,
        needed: BTreeSet::new(),
    }
}

fn values(pairs: &[(&str, &str)]) -> Values {
    let pairs = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    pairs.collect()
}

fn granted(desired: &[(&str, &str)], applied: &[(&str, &str)]) -> EntitlementRecord {
    EntitlementRecord {
        state: GrantState::Granted,
        desired_parameters: values(desired),
        applied_parameters: values(applied),
        ..EntitlementRecord::default()
    }
}

#[test]
fn values_are_checked_spelt_one_way_and_filled_in() {
    let schema = schema(json!([
        {"name": "limit", "type": "Integer", "minimum": 1, "maximum": 1000, "default": "100"},
        {"name": "tier", "values": ["silver", "gold"]},
        {"name": "virtual", "type": "Boolean"}, {"name": "note"}
    ]));
    let given = |pairs: &[(&str, &str)]| schema.settle("card", &values(pairs));
    assert_eq!(given(&[]), Ok(values(&[("limit", "100")])));
    assert_eq!(given(&[("limit", "+0500")]), Ok(values(&[("limit", "500")])));
    let all = [
        ("limit", "1"),
        ("tier", "gold"),
        ("virtual", "false"),
        ("note", "any text"),
    ];
    assert_eq!(given(&all), Ok(values(&all)));
    for (name, value, words) in [
        ("limit", "0", "is 0, and must not be below 1"),
        ("limit", "1001", "must not be above 1000"),
        ("limit", "5.5", "no whole number"),
        ("limit", "99999999999999999999", "no whole number"),
        ("limit", "", "no whole number"),
        ("tier", "Gold", "must be one of silver, gold"),
        ("virtual", "yes", "neither true nor false"),
        (
            "colour",
            "red",
            "declares no parameter colour, only limit, tier, virtual, note",
        ),
    ] {
        let why = given(&[(name, value)]).err().unwrap_or_default();
        assert!(why.contains(words) && why.contains("card"), "{name} {value}: {why}");
    }
    let why = Schema::default().settle("card", &values(&[("limit", "5")])).err();
    assert!(why.is_some_and(|why| why.contains("declares no parameters")));
}

/// Which way is less, for every kind of parameter; what cannot be compared is a loss, and a free text never is.
#[test]
fn less_is_told_by_the_declaration() {
    let cases = [
        (json!({"type": "Integer"}), "500", "100", true),
        (json!({"type": "Integer"}), "100", "500", false),
        (json!({"type": "Integer"}), "9", "10", false),
        (json!({"type": "Integer"}), "9007199254740993", "9007199254740992", true),
        (json!({"type": "Integer"}), "500.50", "600", true),
        (json!({"type": "Integer", "loss": "Higher"}), "1", "2", true),
        (json!({"type": "Integer", "loss": "Higher"}), "2", "1", false),
        (json!({"type": "Integer", "loss": "Never"}), "500", "1", false),
        (json!({"type": "Boolean"}), "true", "false", true),
        (json!({"type": "Boolean"}), "false", "true", false),
        (json!({"values": ["read", "write", "admin"]}), "admin", "read", true),
        (json!({"values": ["read", "write", "admin"]}), "read", "admin", false),
        (json!({"values": ["read", "write", "admin"]}), "owner", "admin", true),
        (json!({}), "b", "a", false),
    ];
    for (declared, from, to, is_loss) in cases {
        let mut declared = declared;
        declared["name"] = json!("p");
        let schema = schema(json!([declared]));
        let record = granted(&[("p", from)], &[("p", from)]);
        let change = schema.change(&record, &values(&[("p", to)]));
        let words = format!("p {from} -> {to}");
        assert_eq!(change, Some(Change { text: words, is_loss }), "{declared}");
        // A value that nobody knows may have been anything.
        let unknown = schema.change(&granted(&[], &[]), &values(&[("p", to)]));
        let ordered = declared.get("type").is_some() || declared.get("values").is_some();
        let counts = ordered && declared.get("loss") != Some(&json!("Never"));
        assert_eq!(unknown.map(|change| change.is_loss), Some(counts), "{declared}");
    }
}

/// A target writes values its own way, and what policies do not speak of is others'.
#[test]
fn what_a_target_shows_otherwise_is_no_change() {
    let schema = schema(json!([{"name": "limit", "type": "Integer"}, {"name": "currency"}]));
    let ask = values(&[("limit", "500"), ("currency", "EUR")]);
    let shown = [("limit", "500.00"), ("currency", "eur"), ("colour", "red")];
    let record = granted(&[("limit", "500"), ("currency", "EUR")], &shown);
    assert_eq!(schema.change(&record, &ask), None);
    // Nobody asks for the limit any more: it is as it was before somebody did.
    let change = schema.change(&record, &values(&[("currency", "EUR")]));
    assert_eq!(
        change.map(|change| change.text),
        Some("limit 500.00 -> none".to_owned())
    );
    assert_eq!(schema.change(&granted(&[], &shown), &Values::new()), None);
}

#[test]
fn a_long_change_fits_the_record_and_is_told_from_others() {
    let schema = schema(json!([{"name": "a"}, {"name": "b"}]));
    let long = |last: &str| values(&[("a", &"x".repeat(250)), ("b", &format!("{}{last}", "y".repeat(250)))]);
    let record = granted(&[], &[("a", &"z".repeat(250))]);
    let text = |last: &str| {
        schema
            .change(&record, &long(last))
            .map(|change| change.text)
            .unwrap_or_default()
    };
    assert!(text("1").len() <= CHANGE_MAX && text("1").starts_with("a zzz"));
    assert_ne!(text("1"), text("2"));
}

#[test]
fn a_declaration_agrees_with_itself_and_with_the_kind() {
    let check = |declared: Value| {
        let parameter: Option<Parameter> = serde_json::from_value(declared).ok();
        parameter
            .and_then(|parameter| check_declaration(&parameter).err())
            .unwrap_or_default()
    };
    assert_eq!(
        check(json!({"name": "p", "type": "Integer", "minimum": 1, "maximum": 1, "default": "1"})),
        ""
    );
    for (declared, words) in [
        (
            json!({"name": "p", "type": "Integer", "minimum": 2, "maximum": 1}),
            "swap them",
        ),
        (json!({"name": "p", "minimum": 2}), "is no Integer"),
        (
            json!({"name": "p", "type": "Integer", "maximum": 5, "default": "6"}),
            "the default of parameter p",
        ),
        (
            json!({"name": "p", "values": ["a"], "default": "b"}),
            "must be one of a",
        ),
        (
            json!({"name": "p", "type": "Integer", "values": ["a"]}),
            "one of the values of parameter p",
        ),
    ] {
        let why = check(declared.clone());
        assert!(why.contains(words), "{declared}: {why}");
    }
    let declared: Vec<Parameter> =
        serde_json::from_value(json!([{"name": "limit", "type": "Integer"}])).unwrap_or_default();
    let fields = |fields: Value| -> Vec<Field> { serde_json::from_value(fields).unwrap_or_default() };
    let whole = fields(json!([{"name": "limit", "type": "Integer"}, {"name": "note", "optional": true}]));
    assert_eq!(agree(&declared, &whole), Ok(()));
    assert_eq!(agree(&[], &whole), Ok(()));
    for (kind, words) in [
        (json!([]), "takes no parameter limit, but none"),
        (json!([{"name": "limit"}]), "takes it as String"),
        (
            json!([{"name": "limit", "type": "Integer"}, {"name": "currency"}]),
            "needs the parameter currency",
        ),
    ] {
        let why = agree(&declared, &fields(kind)).err().unwrap_or_default();
        assert!(why.contains(words), "{why}");
    }
}
