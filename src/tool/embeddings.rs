//! Text embeddings from a server's `/embeddings` (OpenAI API reference, "Create embeddings").

use serde::Deserialize;

use super::context::ToolContext;
use crate::limits::{EMBED_BATCH, EMBED_BATCHES, EMBED_BODY_BYTES, EMBED_TIMEOUT};
use crate::net::http::Request;
use crate::proto::text;
use crate::store::index::{Folders, SearchResult, vectors};
use crate::sys::spawn_blocking;

#[derive(Deserialize)]
struct EmbeddingsResponse {
    data: Vec<EmbeddingItem>,
}

#[derive(Deserialize)]
struct EmbeddingItem {
    #[serde(default)]
    index: usize,
    embedding: Vec<f32>,
}

/// Semantic search: computes vectors for some more chunks, then looks for the nearest. `None` if it is not configured;
/// the caller has already searched by words.
///
/// # Errors
/// Why it failed; the caller then uses the results by words alone.
pub async fn search(
    ctx: &ToolContext,
    folders: Folders,
    query: &str,
    limit: usize,
) -> Result<Option<SearchResult>, String> {
    let model = ctx.config.embeddings.clone();
    if model.is_empty() {
        return Ok(None);
    }
    for _ in 0..EMBED_BATCHES {
        let (from, folder) = (folders.clone(), folders.index.clone());
        let (model, name) = (model.clone(), model.clone());
        let lacking =
            spawn_blocking(Box::new(move || vectors::missing(&from, &model, EMBED_BATCH))).await;
        let lacking = lacking.map_err(|e| e.to_string())?;
        if lacking.is_empty() {
            break;
        }
        let (numbers, texts): (Vec<u64>, Vec<String>) = lacking.into_iter().unzip();
        let found = embed(ctx, &name, &texts).await?;
        let items: Vec<_> = numbers.into_iter().zip(found).collect();
        let kept = spawn_blocking(Box::new(move || vectors::keep(&folder, &name, &items))).await;
        kept.map_err(|e| e.to_string())?;
    }
    let wanted = embed(ctx, &model, &[query.to_owned()]).await?.pop().ok_or("no vector")?;
    let query = query.to_owned();
    let found = spawn_blocking(Box::new(move || {
        vectors::fused(&folders, &query, (&model, &wanted), limit)
    }))
    .await;
    found.map(Some).map_err(|e| e.to_string())
}

/// One vector for each text, in their order.
async fn embed(ctx: &ToolContext, model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, String> {
    let entry = ctx.config.models.iter().find(|entry| entry.model_name == model);
    let entry = entry.ok_or_else(|| format!("model_list has no {model}"))?;
    let url = format!("{}/embeddings", entry.api_base.trim_end_matches('/'));
    let body = serde_json::json!({ "model": entry.model, "input": texts }).to_string();
    let key = format!("Bearer {}", entry.api_key.expose());
    let mut headers: Vec<(&str, &str)> =
        entry.custom_headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if !entry.api_key.is_empty() {
        headers.push(("authorization", &key));
    }
    let mut request = Request::post_json(&url, body.as_bytes());
    request.headers = &headers;
    request.proxy = &entry.proxy;
    request.total = EMBED_TIMEOUT;
    let response = ctx.http.send(request).await.map_err(|e| e.to_string())?;
    if response.status != 200 {
        return Err(format!("{model} answered with status {}", response.status));
    }
    let bytes = response.bytes(EMBED_BODY_BYTES).await.map_err(|e| e.to_string())?;
    parse(&bytes, texts.len())
}

/// The vectors of an answer, in the order of the texts.
pub fn parse(bytes: &[u8], count: usize) -> Result<Vec<Vec<f32>>, String> {
    let mut answer: EmbeddingsResponse =
        text::utf8(bytes).and_then(serde_json::from_str).map_err(|e| e.to_string())?;
    answer.data.sort_by_key(|item| item.index);
    if answer.data.len() != count {
        return Err(format!("{} vectors for {count} texts", answer.data.len()));
    }
    Ok(answer.data.into_iter().map(|item| item.embedding).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_put_in_order() {
        let text = r#"{"object":"list","data":[{"index":1,"embedding":[2]},{"index":0,"embedding":[1.5,-1e-3]}]}"#;
        assert_eq!(parse(text.as_bytes(), 2).expect("two"), [vec![1.5, -0.001], vec![2.0]]);
        assert!(parse(text.as_bytes(), 3).expect_err("too few").contains("2 vectors for 3"));
        assert!(parse(b"<html>", 1).is_err());
    }
}
