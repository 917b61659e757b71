//! The OpenAPI document: it has every route, and answers are what it says.

use crate::common::Api;
use crate::corpora::news;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Follows a reference within the document.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    match schema["$ref"].as_str() {
        Some(place) => {
            let found = document.pointer(place.strip_prefix('#').unwrap());
            resolved(
                document,
                found.unwrap_or_else(|| panic!("{place} leads nowhere")),
            )
        }
        None => schema,
    }
}

/// The names that a schema knows, with those of what it is made of.
fn known(document: &Value, schema: &Value, names: &mut BTreeSet<String>) {
    let schema = resolved(document, schema);
    names.extend(
        schema["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|p| p.0.clone()),
    );
    for part in schema["allOf"].as_array().into_iter().flatten() {
        known(document, part, names);
    }
}

/// What is wrong with a value by a schema: the part of JSON Schema that the document uses.
fn wrong(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(document, schema);
    if let Some(all) = schema["allOf"].as_array() {
        let mut names = BTreeSet::new();
        known(document, schema, &mut names);
        if let Some(name) = value
            .as_object()
            .and_then(|o| o.keys().find(|k| !names.contains(*k)))
        {
            return Some(format!("{name:?} is not in the document"));
        }
        return all.iter().find_map(|part| shallow(document, part, value));
    }
    if let Some(object) = value.as_object()
        && let Some(properties) = schema["properties"].as_object()
        && let Some(name) = object.keys().find(|name| !properties.contains_key(*name))
    {
        return Some(format!("{name:?} is not in the document"));
    }
    shallow(document, schema, value)
}

fn shallow(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(document, schema);
    for or in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[or].as_array() {
            let faults: Vec<String> = parts
                .iter()
                .filter_map(|part| wrong(document, part, value))
                .collect();
            if faults.len() == parts.len() {
                return Some(faults.join("; "));
            }
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if let Some(fault) = shallow(document, part, value) {
            return Some(fault);
        }
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return Some(format!("{value} is none of {values:?}"));
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is = |kind: &&str| match *kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    };
    if !types.is_empty() && !types.iter().any(is) {
        return Some(format!("{value} is no {types:?}"));
    }
    if let Some(object) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten() {
            if !object.contains_key(name.as_str().unwrap()) {
                return Some(format!("{name} is missing"));
            }
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if let Some(fault) = object.get(name).and_then(|v| wrong(document, schema, v)) {
                return Some(format!("{name}: {fault}"));
            }
        }
    }
    let items = value.as_array().filter(|_| schema["items"].is_object());
    items
        .into_iter()
        .flatten()
        .find_map(|item| wrong(document, &schema["items"], item))
}

/// The schema of an answer of this status.
fn schema_of<'d>(document: &'d Value, method: &str, path: &str, status: u16) -> &'d Value {
    let operation = &document["paths"][path][method];
    let responses = &operation["responses"];
    let response = match &responses[status.to_string()] {
        Value::Null => &responses["default"],
        response => response,
    };
    &resolved(document, response)["content"]["application/json"]["schema"]
}

fn document(api: &Api) -> Value {
    api.get("/api/openapi.json").ok()
}

#[test]
fn answers_are_what_the_document_says() {
    let api = news(|options| options.writable = true);
    let document = document(&api);
    assert_eq!(
        document["openapi"]
            .as_str()
            .unwrap()
            .split('.')
            .take(2)
            .collect::<Vec<_>>(),
        ["3", "1"]
    );
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(responses) = operation["responses"].as_object() else {
                continue;
            };
            for (status, response) in responses {
                let said = resolved(&document, response)["description"].as_str();
                assert!(
                    said.is_some_and(|d| !d.is_empty()),
                    "{method} {path} {status}"
                );
            }
        }
    }
    let begun = api.get("/api/corpora/news/map").json();
    let job = begun["job"].as_str().unwrap().to_string();
    api.waited(&begun["job"]);
    let c = "/api/corpora/{corpus}";
    let requests = [
        (
            "get",
            "/api/corpora".to_string(),
            String::new(),
            Value::Null,
            200,
        ),
        ("get", c.into(), String::new(), Value::Null, 200),
        (
            "get",
            format!("{c}/search"),
            "?q=goal&facets=source,topic&sentences=true&fold=meaning".into(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/search"),
            "?q=goal&k=x".into(),
            Value::Null,
            422,
        ),
        (
            "post",
            format!("{c}/search"),
            String::new(),
            json!({"query": "goal", "by": "both"}),
            200,
        ),
        (
            "post",
            format!("{c}/search/many"),
            String::new(),
            json!({"queries": ["goal"]}),
            200,
        ),
        (
            "post",
            format!("{c}/similar"),
            String::new(),
            json!({"like": ["a1"]}),
            200,
        ),
        (
            "get",
            format!("{c}/facets"),
            "?fields=month,topic".into(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/duplicates"),
            "?by=meaning".into(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/articles"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "post",
            format!("{c}/articles"),
            String::new(),
            json!([{"id": "n", "text": "New."}, {"id": 3}]),
            200,
        ),
        (
            "get",
            format!("{c}/articles/{{id}}"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "put",
            format!("{c}/articles/{{id}}"),
            String::new(),
            json!({"text": "The minister of the city and the bank's rate, told anew this year."}),
            200,
        ),
        (
            "get",
            format!("{c}/articles/{{id}}/neighbours"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/articles/{{id}}/copies"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "delete",
            format!("{c}/articles/{{id}}"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/articles/{{id}}"),
            String::new(),
            Value::Null,
            404,
        ),
        (
            "get",
            format!("{c}/topics"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/topics/tree"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "get",
            format!("{c}/topics/timeline"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "post",
            format!("{c}/topics/edit"),
            String::new(),
            json!({"rename": {"topic": 0, "label": "x"}}),
            200,
        ),
        (
            "post",
            format!("{c}/topics/undo"),
            String::new(),
            Value::Null,
            200,
        ),
        (
            "post",
            format!("{c}/topics/fit"),
            String::new(),
            json!({"k": 2}),
            202,
        ),
        ("get", format!("{c}/map"), String::new(), Value::Null, 200),
        ("post", format!("{c}/map"), String::new(), Value::Null, 202),
        (
            "post",
            format!("{c}/map/articles"),
            String::new(),
            json!({"rows": [0, 1]}),
            200,
        ),
        (
            "post",
            format!("{c}/map/rows"),
            String::new(),
            json!({"ids": ["a1", "none"]}),
            200,
        ),
        (
            "get",
            format!("{c}/map/field"),
            "?name=number".into(),
            Value::Null,
            200,
        ),
        (
            "post",
            format!("{c}/map/about"),
            String::new(),
            json!({"rows": [0, 1, 2]}),
            200,
        ),
        ("get", "/api/jobs".into(), String::new(), Value::Null, 200),
        (
            "get",
            "/api/jobs/{id}".into(),
            String::new(),
            Value::Null,
            200,
        ),
    ];
    for (method, path, query, body, status) in requests {
        let address = path.replace("{corpus}", "news");
        let id = if path.starts_with("/api/jobs") {
            job.as_str()
        } else {
            "a7"
        };
        let address = format!("{}{query}", address.replace("{id}", id));
        let body = (!body.is_null()).then_some(&body);
        let answer = api.send(&method.to_uppercase(), &address, &[], body);
        assert_eq!(
            answer.status,
            status,
            "{method} {address}: {}",
            answer.text()
        );
        let schema = schema_of(&document, method, &path, status);
        assert!(
            schema.is_object(),
            "{method} {path} says nothing of {status}"
        );
        if let Some(fault) = wrong(&document, schema, &answer.json()) {
            panic!("{method} {address}: {fault}\n{}", answer.text());
        }
        // What an answer began is ended before the next is asked for, as some tell what it does.
        let begun = &answer.json()["job"];
        if begun.is_string() {
            api.waited(begun);
        }
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let document = json!({"components": {"schemas": {"A": {"type": "object", "required": ["x"],
        "properties": {"x": {"type": ["integer", "null"]}, "y": {"type": "array", "items": {"enum": ["a"]}}}}}}});
    let a = json!({"$ref": "#/components/schemas/A"});
    let both = json!({"allOf": [a, {"type": "object", "properties": {"z": {"type": "number"}}}]});
    for good in [json!({"x": 1}), json!({"x": null, "y": ["a"]})] {
        assert_eq!(wrong(&document, &a, &good), None);
        assert_eq!(wrong(&document, &both, &good), None);
    }
    for bad in [
        json!({}),
        json!({"x": "1"}),
        json!({"x": 1, "y": ["b"]}),
        json!({"x": 1, "w": 2}),
        json!([]),
    ] {
        assert!(wrong(&document, &a, &bad).is_some(), "{bad}");
        assert!(wrong(&document, &both, &bad).is_some(), "{bad}");
    }
    assert_eq!(wrong(&document, &both, &json!({"x": 1, "z": 0.5})), None);
}

/// What stands between quotes behind each of these, in a text.
fn quoted(text: &str, before: &str) -> Vec<String> {
    let parts = text.split(before).skip(1);
    let inside = |part: &str| {
        part.trim_start()
            .strip_prefix('"')
            .and_then(|p| p.split('"').next())
            .map(String::from)
    };
    parts.filter_map(inside).collect()
}

fn sources(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_route_is_in_the_document() {
    let api = news(|_| {});
    let document = document(&api);
    let paths = document["paths"].as_object().unwrap();
    // Routes are made from the document, but for those that the code names itself.
    let mut code = String::new();
    sources(&crate::world::repository("src/server"), &mut code);
    let mut named = quoted(&code, ".route(");
    named.extend(quoted(&code, ".route_service("));
    assert!(named.iter().any(|path| path == "/mcp") && named.iter().any(|path| path == "/docs"));
    for path in named {
        // Files of pages are no interface.
        let file =
            path.starts_with("/page") || path.starts_with("/docs/") || path.starts_with("/favicon");
        assert!(
            // A part of an address that may hold slashes is a name like others in the document.
            file || paths.contains_key(&path.replace("{*", "{")),
            "{path} is not in the document"
        );
    }
    // Each is there under a name of its own, and answers to its method alone.
    let models = api.get("/v1/models").json();
    let model = models["data"][0]["id"].as_str().unwrap();
    let mut ids = BTreeSet::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let id = operation["operationId"]
                .as_str()
                .unwrap_or_else(|| panic!("{path} has no name"));
            assert!(ids.insert(id.to_string()), "{id} is the name of two routes");
            assert!(
                operation["summary"].is_string(),
                "{method} {path} says nothing"
            );
            let address = path.replace("{corpus}", "none").replace("{id}", "1");
            let address = address.replace("{model}", model);
            let answer = api.send(&method.to_uppercase(), &address, &[("accept", "*/*")], None);
            assert_ne!(answer.status, 405, "{method} {path}");
            let fell_through =
                answer.status == 404 && !answer.text().contains("\"kind\":\"not_found\"");
            assert!(!fell_through, "{method} {path}: {}", answer.text());
            assert!(answer.status < 500, "{method} {path}: {}", answer.text());
        }
    }
    assert_eq!(api.send("PATCH", "/api/corpora", &[], None).status, 405);
}

#[test]
fn the_page_of_documents_fetches_nothing_from_elsewhere() {
    let api = news(|_| {});
    for (path, kind) in [
        ("/docs", "text/html"),
        ("/docs/docs.js", "text/javascript"),
        ("/docs/docs.css", "text/css"),
    ] {
        let answer = api.get(path);
        assert_eq!(answer.status, 200);
        let header = |name: &str| {
            answer
                .headers
                .iter()
                .find(|h| h.0 == name)
                .map(|h| h.1.clone())
                .unwrap_or_default()
        };
        assert!(header("content-type").starts_with(kind));
        let policy = header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        let text = answer.text();
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{path}"
        );
        assert!(!text.contains("innerHTML") && !text.contains("insertAdjacentHTML"));
    }
}
