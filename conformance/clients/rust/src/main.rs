//! clients LIBRARY URL TOKEN: the contract is in ../../README.md
mod eventsource_client;
mod reqwest_eventsource;

use std::error::Error;
use std::io::{self, Write};

const TYPES: [&str; 5] = [
    "part.made",
    "part.moved",
    "story.end",
    "reset",
    "unavailable",
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, url, token] = arguments.as_slice() else {
        return Err("usage: clients LIBRARY URL TOKEN".into());
    };
    match library.as_str() {
        "eventsource-client" => eventsource_client::follow(url, token, hear).await?,
        "reqwest-eventsource" => reqwest_eventsource::follow(url, token, hear).await?,
        _ => return Err(format!("no such library: {library}").into()),
    }
    Err("the stream has ended".into())
}

fn hear(id: &str, kind: &str, data: &str) {
    if !TYPES.contains(&kind) {
        return;
    }
    let line = format!("{id} {kind} {}\n", data.replace('\n', "\\n"));
    io::stdout().write_all(line.as_bytes()).expect("stdout");
    if kind == "story.end" {
        std::process::exit(0);
    }
}
