//! A small service with an API of its own: users, teams, cards, roles, documents, a chat; and the habits that real ones have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// What is in the body of every refusal, and may be in no error.
pub const DETAIL: &str = "s3cr3t-detail";

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    /// As it was on the wire, percent-encoded.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: HeaderMap,
    pub body: Value,
    pub form: BTreeMap<String, String>,
}

impl Asked {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The path's parts, decoded.
    fn parts(&self) -> Vec<String> {
        let url = url::Url::parse(&format!("http://x{}", self.path)).unwrap();
        let parts = url.path_segments().unwrap().map(|part| {
            let pair = format!("x={}", part.replace('+', "%2B"));
            let decoded = url::form_urlencoded::parse(pair.as_bytes()).next().unwrap();
            decoded.1.into_owned()
        });
        parts.collect()
    }
}

/// Something that goes wrong once.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers so, and does nothing.
    Instead(u16, Vec<(&'static str, &'static str)>, String),
    /// Does it, and answers so.
    After(u16),
    /// Does it, and answers too late.
    Late,
    /// Somebody else changes the document first.
    Race,
}

#[derive(Clone, Debug, Default)]
pub struct Card {
    pub id: String,
    pub user: String,
    pub program: String,
    pub limit: i64,
    pub operation: String,
    pub closed: bool,
}

#[derive(Debug, Default)]
pub struct State {
    pub users: BTreeMap<String, Value>,
    pub teams: BTreeMap<String, (String, BTreeSet<String>)>,
    pub cards: Vec<Card>,
    pub keys: BTreeMap<String, String>,
    pub roles: BTreeMap<String, BTreeSet<String>>,
    pub readers: BTreeSet<String>,
    pub version: u32,
    pub channel: BTreeSet<String>,
    pub seats: usize,
    /// How lists of users are paged: token, link, full or more.
    pub pages: &'static str,
    /// Answers every page with the first.
    pub stuck: bool,
    /// Has one more page of users, whichever is asked for.
    pub endless: bool,
    /// Refuses to write a set that is empty; deleting it is another call.
    pub no_empty_sets: bool,
    /// Tokens that are good.
    pub tokens: BTreeSet<String>,
    pub logins: usize,
    /// For how many seconds tokens are said to be good.
    pub life: u64,
    pub faults: VecDeque<(Method, &'static str, Fault)>,
    pub log: Vec<Asked>,
    /// Pauses within a change of roles, so that two that overlap would be seen.
    pub writing: usize,
    pub overlaps: usize,
}

/// The service. It ends with the test's runtime.
#[derive(Clone)]
pub struct Server {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub async fn start() -> Self {
        let state = State {
            teams: BTreeMap::from([
                ("t1".to_owned(), ("Platform".to_owned(), BTreeSet::new())),
                ("t/2".to_owned(), ("R&D + Ops".to_owned(), BTreeSet::new())),
            ]),
            seats: usize::MAX,
            pages: "token",
            life: 3600,
            version: 1,
            tokens: BTreeSet::from(["static".to_owned()]),
            ..State::default()
        };
        let state = Arc::new(Mutex::new(state));
        let kept = state.clone();
        let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let state = kept.clone();
            async move { serve(&state, method, &uri, headers, &body).await }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, axum::Router::new().fallback(answer)).into_future());
        Self { url, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn fault(&self, method: Method, path: &'static str, fault: Fault) {
        self.state().faults.push_back((method, path, fault));
    }

    pub fn asked(&self, method: &Method, path: &str) -> Vec<Asked> {
        let state = self.state();
        let those = state
            .log
            .iter()
            .filter(|asked| asked.method == *method && asked.path.starts_with(path));
        those.cloned().collect()
    }

    /// Puts a user in, as somebody else would.
    pub fn user(&self, id: &str, email: &str) {
        let user = json!({"id": id, "email": email, "active": true, "title": "", "key": null});
        self.state().users.insert(id.to_owned(), user);
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: &Value) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
    response
        .headers_mut()
        .insert("content-type", "application/json".parse().unwrap());
    for (name, value) in headers {
        response.headers_mut().append(
            axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            value.parse().unwrap(),
        );
    }
    if body.is_null() {
        *response.body_mut() = axum::body::Body::empty();
    }
    response
}

fn refusal(status: u16) -> Response {
    answer(status, &[], &json!({"error": DETAIL}))
}

async fn serve(state: &Arc<Mutex<State>>, method: Method, uri: &Uri, headers: HeaderMap, body: &Bytes) -> Response {
    let pairs = |text: &[u8]| {
        url::form_urlencoded::parse(text)
            .into_owned()
            .collect::<BTreeMap<_, _>>()
    };
    let is_form = headers
        .get("content-type")
        .is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let asked = Asked {
        method,
        path: uri.path().to_owned(),
        query: pairs(uri.query().unwrap_or_default().as_bytes()),
        headers,
        body: serde_json::from_slice(body).unwrap_or_default(),
        form: if is_form { pairs(body) } else { BTreeMap::new() },
    };
    let fault = {
        let mut state = state.lock().unwrap();
        state.log.push(asked.clone());
        let fits = |(method, path, _): &(Method, &str, Fault)| *method == asked.method && asked.path.starts_with(path);
        let place = state.faults.iter().position(fits);
        place
            .and_then(|place| state.faults.remove(place))
            .map(|(_, _, fault)| fault)
    };
    match fault {
        Some(Fault::Instead(status, headers, body)) => {
            let mut response = answer(status, &headers, &Value::Null);
            *response.body_mut() = body.into();
            return response;
        }
        Some(Fault::Race) => {
            let mut state = state.lock().unwrap();
            state.readers.insert("somebody-else".to_owned());
            state.version += 1;
        }
        Some(Fault::After(status)) => {
            route(state, &asked).await;
            return refusal(status);
        }
        Some(Fault::Late) => {
            route(state, &asked).await;
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        None => {}
    }
    route(state, &asked).await
}

async fn route(state: &Arc<Mutex<State>>, asked: &Asked) -> Response {
    let parts = asked.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if let ("PUT", ["users", user, "roles"]) = (asked.method.as_str(), parts.as_slice()) {
        return put_roles(state, user, asked).await;
    }
    let mut state = state.lock().unwrap();
    let state = &mut *state;
    match parts.as_slice() {
        ["oauth", "token"] => return token(state, asked),
        ["session"] => return session(state, asked),
        _ => {}
    }
    let given = asked
        .header("authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default();
    let given = asked.header("x-session").strip_prefix("s=").unwrap_or(given);
    if !state.tokens.contains(given) {
        return refusal(401);
    }
    match (asked.method.as_str(), parts.as_slice()) {
        ("GET", ["users"]) => users(state, asked),
        ("POST", ["users"]) => create_user(state, asked),
        ("GET", ["users", id]) => match state.users.get(*id) {
            Some(user) => {
                let tag = format!("\"{}\"", user["title"].as_str().unwrap());
                answer(200, &[("etag", &tag)], &json!({"user": user}))
            }
            None => refusal(404),
        },
        ("PATCH", ["users", id]) => {
            let Some(user) = state.users.get_mut(*id) else {
                return refusal(404);
            };
            let tag = format!("\"{}\"", user["title"].as_str().unwrap());
            if !asked.header("if-match").is_empty() && asked.header("if-match") != tag {
                return refusal(412);
            }
            for (name, value) in asked.body.as_object().unwrap() {
                user[name] = value.clone();
            }
            answer(200, &[], &json!({"user": user}))
        }
        ("DELETE", ["users", id]) => match state.users.remove(*id) {
            Some(_) => answer(204, &[], &Value::Null),
            None => refusal(404),
        },
        ("GET", ["teams"]) => {
            // The filter is ignored, as by some.
            let teams: Vec<Value> = state
                .teams
                .iter()
                .map(|(id, (name, _))| json!({"id": id, "name": name}))
                .collect();
            answer(200, &[], &json!({"teams": teams}))
        }
        (_, ["teams", id, "members", ..]) => members(state, asked, id, parts.get(3).copied()),
        (_, ["cards", ..]) => cards(state, asked, parts.get(1).copied()),
        ("GET", ["users", user, "roles"]) => {
            if !state.users.contains_key(*user) {
                return refusal(404);
            }
            let roles: Vec<Value> = state
                .roles
                .entry((*user).to_owned())
                .or_default()
                .iter()
                .map(|r| json!({"role": r}))
                .collect();
            answer(200, &[], &json!({"roles": roles, "owner": "kept"}))
        }
        ("GET", ["document"]) => {
            let tag = format!("\"{}\"", state.version);
            let readers: Vec<Value> = state.readers.iter().map(|r| json!({"reader": r})).collect();
            answer(200, &[("etag", &tag)], &json!({"readers": readers, "note": "kept"}))
        }
        ("DELETE", ["users", user, "roles"]) => {
            state.roles.remove(*user);
            answer(204, &[], &Value::Null)
        }
        ("POST", ["document", "clear"]) => {
            if asked.header("if-match") != format!("\"{}\"", state.version) {
                return refusal(412);
            }
            state.readers.clear();
            state.version += 1;
            answer(200, &[], &json!({}))
        }
        ("PUT", ["document"]) if state.no_empty_sets && asked.body["readers"] == json!([]) => refusal(400),
        ("PUT", ["document"]) => {
            if asked.header("if-match") != format!("\"{}\"", state.version) {
                return refusal(412);
            }
            let readers = asked.body["readers"].as_array().unwrap().iter();
            state.readers = readers.map(|reader| reader.as_str().unwrap().to_owned()).collect();
            state.version += 1;
            answer(200, &[], &json!({}))
        }
        ("GET", ["chat", "members"]) => answer(200, &[], &json!({"ok": true, "members": state.channel})),
        ("POST", ["chat", verb @ ("invite" | "kick")]) => {
            let user = asked.form.get("user").cloned().unwrap_or_default();
            let error = match (*verb, state.channel.contains(&user)) {
                _ if asked.form.get("channel").map(String::as_str) != Some("#R&D") => "channel_not_found",
                ("invite", true) => "already_in_channel",
                ("kick", false) => "not_in_channel",
                ("invite", false) if state.channel.len() >= state.seats => "no_seat",
                ("invite", false) => {
                    state.channel.insert(user);
                    return answer(200, &[], &json!({"ok": true}));
                }
                _ => {
                    state.channel.remove(&user);
                    return answer(200, &[], &json!({"ok": true}));
                }
            };
            answer(200, &[], &json!({"ok": false, "error": error, "detail": DETAIL}))
        }
        _ => refusal(404),
    }
}

async fn put_roles(state: &Arc<Mutex<State>>, user: &str, asked: &Asked) -> Response {
    {
        let mut state = state.lock().unwrap();
        if state.no_empty_sets && asked.body["roles"] == json!([]) {
            return refusal(400);
        }
        state.writing += 1;
        if state.writing > 1 {
            state.overlaps += 1;
        }
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut state = state.lock().unwrap();
    state.writing -= 1;
    let roles = asked.body["roles"].as_array().unwrap().iter();
    let roles = roles.map(|role| role.as_str().unwrap().to_owned()).collect();
    state.roles.insert(user.to_owned(), roles);
    answer(200, &[], &json!({}))
}

fn token(state: &mut State, asked: &Asked) -> Response {
    // client:s%3Acr t, each part encoded as in a form.
    let basic = format!("Basic {}", data_encoding::BASE64.encode(b"client:s%3Acr+t"));
    let in_body = asked.form.get("client_secret").map(String::as_str) == Some("s:cr t");
    if asked.header("authorization") != basic && !in_body {
        return refusal(401);
    }
    if asked.form.get("audience").map(String::as_str) != Some("https://api.x.io") || asked.form["scope"] != "read write"
    {
        return refusal(400);
    }
    let token = new_token(state);
    answer(
        200,
        &[],
        &json!({"access_token": token, "token_type": "bearer", "expires_in": state.life}),
    )
}

fn session(state: &mut State, asked: &Asked) -> Response {
    if asked.body != json!({"user": "robot", "password": "s3cr3t-password"}) {
        return refusal(403);
    }
    let token = new_token(state);
    answer(
        200,
        &[],
        &json!({"session": {"token": token, "ttl": state.life.to_string()}}),
    )
}

fn new_token(state: &mut State) -> String {
    state.logins += 1;
    let token = format!("token-{}", state.logins);
    state.tokens = BTreeSet::from([token.clone()]);
    token
}

const PAGE: usize = 2;

fn users(state: &State, asked: &Asked) -> Response {
    if state.endless {
        let number = state.log.len();
        let user = json!({"id": format!("u{number}"), "email": "x@x.io", "active": true});
        return answer(200, &[], &json!({"users": [user], "next": number.to_string()}));
    }
    let fits = |user: &&Value| match asked.query.get("email") {
        Some(email) => user["email"] == **email,
        None => true,
    };
    let all: Vec<&Value> = state.users.values().filter(fits).collect();
    let number = |name: &str| asked.query.get(name).map_or(0, |text| text.parse::<usize>().unwrap());
    let start = match state.pages {
        "more" => (number("page").max(1) - 1) * PAGE,
        _ => number("start"),
    };
    let start = if state.stuck { 0 } else { start };
    let page: Vec<&&Value> = all.iter().skip(start).take(PAGE).collect();
    let next = (start + PAGE < all.len() || state.stuck).then(|| start + PAGE);
    let mut headers = Vec::new();
    let link = next.map(|next| format!("</users?start={next}>; rel=\"next\""));
    if let (Some(link), "link") = (&link, state.pages) {
        headers.push(("link", link.as_str()));
    }
    let body = json!({
        "users": page,
        "next": next.map(|next| next.to_string()).filter(|_| state.pages == "token"),
        "more": next.is_some(),
    });
    answer(200, &headers, &body)
}

fn create_user(state: &mut State, asked: &Asked) -> Response {
    if state.users.values().any(|user| user["email"] == asked.body["email"]) {
        return refusal(409);
    }
    if state.users.len() >= state.seats {
        return answer(402, &[], &json!({"error": "no seats"}));
    }
    let id = format!("u{}", state.users.len() + 1);
    let mut user = json!({"id": id, "active": true, "title": "", "key": null});
    for (name, value) in asked.body.as_object().unwrap() {
        user[name] = value.clone();
    }
    state.users.insert(id, user.clone());
    answer(201, &[], &json!({"user": user}))
}

fn members(state: &mut State, asked: &Asked, team: &str, user: Option<&str>) -> Response {
    let Some((_, members)) = state.teams.get_mut(team) else {
        return refusal(404);
    };
    match (asked.method.as_str(), user) {
        ("GET", None) => {
            let all: Vec<Value> = members
                .iter()
                .map(|id| json!({"user": {"id": id}, "state": "active"}))
                .collect();
            answer(200, &[], &json!({"members": all}))
        }
        ("GET", Some(user)) if members.contains(user) => answer(200, &[], &json!({"state": "active"})),
        ("PUT", Some(user)) if !state.users.contains_key(user) => refusal(404),
        ("PUT", Some(user)) => {
            members.insert(user.to_owned());
            answer(200, &[], &json!({}))
        }
        ("DELETE", Some(user)) if members.remove(user) => answer(204, &[], &Value::Null),
        _ => refusal(404),
    }
}

fn cards(state: &mut State, asked: &Asked, card: Option<&str>) -> Response {
    let shown = |card: &Card| {
        json!({"id": card.id, "user": card.user, "program": card.program, "limit": card.limit, "metadata": {"op": card.operation},
            "status": if card.closed { "closed" } else { "open" }})
    };
    match (asked.method.as_str(), card) {
        ("GET", None) => answer(
            200,
            &[],
            &json!({"cards": state.cards.iter().map(shown).collect::<Vec<_>>()}),
        ),
        ("POST", None) => {
            let in_body = asked.form.get("key").map_or("", String::as_str);
            let key = [asked.header("idempotency-key"), in_body].concat();
            if let Some(id) = state.keys.get(&key).filter(|_| !key.is_empty()) {
                let card = state.cards.iter().find(|card| card.id == *id).unwrap();
                return answer(200, &[], &shown(card));
            }
            let card = Card {
                id: format!("card-{}", state.cards.len() + 1),
                user: asked.form["user"].clone(),
                program: asked.form["program"].clone(),
                limit: asked.form["limit"].parse().unwrap(),
                operation: asked.form["metadata[op]"].clone(),
                closed: false,
            };
            state.keys.insert(key, card.id.clone());
            state.cards.push(card.clone());
            answer(201, &[], &shown(&card))
        }
        ("PATCH", Some(id)) => match state.cards.iter_mut().find(|card| card.id == id) {
            Some(card) => {
                card.limit = asked.body["limit"].as_i64().unwrap();
                answer(200, &[], &shown(card))
            }
            None => refusal(404),
        },
        ("DELETE", Some(id)) => match state.cards.iter_mut().find(|card| card.id == id && !card.closed) {
            Some(card) => {
                card.closed = true;
                answer(200, &[], &shown(card))
            }
            None => refusal(404),
        },
        _ => refusal(404),
    }
}
