//! What the bank answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router};
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{CANARY, Card, Holder, State};
use crate::process::lock;
use crate::story::text;

type Answer = (u16, Value);

pub(super) fn router(state: Arc<Mutex<State>>) -> Router {
    Router::new().fallback(
        move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
            answer(&mut lock(&state), &method, &uri, &headers, &body)
        },
    )
}

fn answer(state: &mut State, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response {
    let header = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let authorization = header("authorization");
    let token = state.habits.token.clone();
    let password = format!("Basic {}", BASE64.encode(format!("rollcall:{token}").as_bytes()));
    let issued = format!("issued-for-{token}");
    let known = [format!("Bearer {token}"), format!("Bearer {issued}"), password.clone()];
    let refused = state.habits.refusals > 0;
    let (status, mut answer) = if refused {
        state.habits.refusals -= 1;
        refusal([400, 500, 401][state.habits.refusals % 3], "not now")
    } else if uri.path() == "/oauth2/token" && authorization == password {
        (
            200,
            json!({"access_token": issued, "token_type": "Bearer", "expires_in": 300}),
        )
    } else if uri.path() == "/login" && String::from_utf8_lossy(body).contains(&format!("\"{token}\"")) {
        (200, json!({"session": issued}))
    } else if known.iter().any(|known| known == authorization) {
        once(state, method, uri, header("idempotency-key"), body)
    } else {
        refusal(401, "who is there?")
    };
    if status >= 400 {
        // As chatty as the worst of them.
        answer["detail"] = json!(CANARY);
        answer["you_sent"] = json!([authorization, String::from_utf8_lossy(body)]);
    }
    let status = StatusCode::from_u16(status).expect("a status");
    (status, Json(answer)).into_response()
}

/// Does what comes with a key once, where keys are taken.
fn once(state: &mut State, method: &Method, uri: &Uri, key: &str, body: &Bytes) -> Answer {
    let kept = state.habits.keys && !key.is_empty();
    let asked = format!("{method} {uri} {}", String::from_utf8_lossy(body));
    if let Some((first, answer)) = state.answered.get(key).filter(|_| kept) {
        if *first == asked {
            return answer.clone();
        }
        state.misused.push(format!("{key}: {first}, and then {asked}"));
        return refusal(400, "that key was for something else");
    }
    let body = serde_json::from_slice(body).unwrap_or_default();
    let answer = serve(state, method, uri, &body);
    if kept {
        state.answered.insert(key.to_owned(), (asked, answer.clone()));
    }
    answer
}

fn refusal(status: u16, why: &str) -> Answer {
    (status, json!({"error": why}))
}

fn serve(state: &mut State, method: &Method, uri: &Uri, body: &Value) -> Answer {
    let decode = |part: &str| {
        let pair = format!("x={}", part.replace('+', "%2B"));
        let decoded = url::form_urlencoded::parse(pair.as_bytes()).next();
        decoded.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let parts: Vec<String> = uri.path().split('/').skip(1).map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let asked = |name: &str| query.get(name).map(String::as_str);
    match (method.as_str(), parts.as_slice()) {
        ("GET", ["people"]) => {
            let fits = |holder: &&Holder| {
                asked("email").is_none_or(|email| holder.email == email)
                    && asked("key").is_none_or(|key| holder.key == key)
            };
            let people = state.people.iter().filter(fits);
            let people: Vec<_> = people.map(|holder| state.person(holder.number)).collect();
            page(state, &people, asked("after"))
        }
        ("POST", ["people"]) => {
            let number = state.people.len();
            let holder = Holder {
                number,
                email: text(&body["email"]).to_owned(),
                title: text(&body["title"]).to_owned(),
                key: text(&body["key"]).to_owned(),
                active: true,
            };
            state.done.push(format!("made {}", holder.email));
            state.people.push(holder);
            (201, state.person(number))
        }
        ("GET", ["people", id]) => match state.number(id) {
            Some(number) => (200, state.person(number)),
            None => refusal(404, "nobody"),
        },
        ("PATCH", ["people", id]) => match state.number(id) {
            Some(number) => {
                change(&mut state.people[number], body);
                state.done.push(format!("changed {id} by {body}"));
                (200, state.person(number))
            }
            None => refusal(404, "nobody"),
        },
        (_, ["cards", ..]) => cards(state, method, &parts[1..], body, &query),
        (_, ["products", product, "seats", rest @ ..]) => seats(state, method, product, rest, asked("after")),
        _ => refusal(404, "no such place"),
    }
}

fn change(holder: &mut Holder, body: &Value) {
    let set = |name: &str, field: &mut String| {
        if let Some(value) = body[name].as_str() {
            value.clone_into(field);
        }
    };
    set("email", &mut holder.email);
    set("title", &mut holder.title);
    if let Some(told) = body["state"].as_str() {
        holder.active = told == "active";
    }
}

fn cards(state: &mut State, method: &Method, parts: &[&str], body: &Value, query: &BTreeMap<String, String>) -> Answer {
    let found = |state: &State, id: &str| state.cards.iter().position(|card| card.id == id);
    match (method.as_str(), parts) {
        ("GET", []) => {
            let holder = query.get("holder").map(|id| state.number(id));
            let cards = state.cards.iter();
            let cards = cards.filter(|card| holder.is_none_or(|holder| holder == Some(card.holder)));
            let cards: Vec<_> = cards.map(|card| state.card(card)).collect();
            page(state, &cards, query.get("after").map(String::as_str))
        }
        ("POST", []) => {
            let Some(holder) = state.number(text(&body["holder"])) else {
                return refusal(400, "for whom?");
            };
            let kept = state.habits.metadata.then(|| body["metadata"].clone());
            let card = Card {
                id: format!("c{}", state.cards.len()),
                holder,
                program: text(&body["program"]).to_owned(),
                open: true,
                // Some send numbers as texts.
                limit: body["limit"]
                    .as_i64()
                    .or_else(|| text(&body["limit"]).parse().ok())
                    .unwrap_or_default(),
                metadata: kept.filter(Value::is_object).unwrap_or_else(|| json!({})),
            };
            let answer = state.card(&card);
            state.done.push(format!("issued {answer}"));
            state.cards.push(card);
            (201, answer)
        }
        ("GET", [id]) => match found(state, id) {
            Some(at) => (200, state.card(&state.cards[at])),
            None => refusal(404, "no card"),
        },
        ("PATCH", [id]) => match (found(state, id), body["limit"].as_i64()) {
            (Some(at), Some(limit)) => {
                state.cards[at].limit = limit;
                state.done.push(format!("limited {id} to {limit}"));
                (200, state.card(&state.cards[at]))
            }
            (Some(_), None) => refusal(400, "to what?"),
            (None, _) => refusal(404, "no card"),
        },
        ("POST", [id, "cancel"]) => match found(state, id) {
            Some(at) => {
                state.cards[at].open = false;
                state.done.push(format!("cancelled {id}"));
                (200, state.card(&state.cards[at]))
            }
            None => refusal(404, "no card"),
        },
        _ => refusal(404, "no such place"),
    }
}

fn seats(state: &mut State, method: &Method, product: &str, rest: &[&str], after: Option<&str>) -> Answer {
    let shown = |state: &State, number: usize, accepted: bool| {
        let holder = state.id(&state.people[number]);
        json!({"holder": holder, "state": if accepted { "active" } else { "invited" }})
    };
    let known = state.seats.entry(product.to_owned()).or_default().clone();
    match (method.as_str(), rest) {
        ("GET", []) => {
            let seats = known.into_iter();
            let seats: Vec<_> = seats.map(|(number, accepted)| shown(state, number, accepted)).collect();
            page(state, &seats, after)
        }
        ("PUT" | "DELETE", [id]) => {
            let Some(number) = state.number(id) else {
                return refusal(404, "nobody");
            };
            let gives = method == Method::PUT;
            if gives && !known.contains_key(&number) && known.len() >= state.habits.seats {
                return refusal(402, "no seat is free");
            }
            state.done.push(format!("{method} a seat of {product}: {id}"));
            let accepted = !state.habits.invites;
            let seats = state.seats.entry(product.to_owned()).or_default();
            if gives {
                let accepted = *seats.entry(number).or_insert(accepted);
                return (200, shown(state, number, accepted));
            }
            match seats.remove(&number) {
                Some(_) => (200, json!({})),
                None => refusal(404, "no seat"),
            }
        }
        _ => refusal(404, "no such place"),
    }
}

/// One page of records, from the one after which it is asked for.
fn page(state: &State, records: &[Value], after: Option<&str>) -> Answer {
    let from: usize = after.and_then(|after| after.parse().ok()).unwrap_or_default();
    let end = (from + state.habits.page).min(records.len());
    let data = records.get(from..end).unwrap_or_default();
    let mut answer = json!({"data": data});
    if end < records.len() {
        answer["next"] = json!(end.to_string());
    }
    (200, answer)
}
