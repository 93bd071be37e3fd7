"""What a log may say of people and secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.masks import PROMPT_CHARACTERS, mask, mask_prompt, redact

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        pytest.param("escreva a ana.maria+x@empresa.com.br hoje", "escreva a [email] hoje", id="email"),
        pytest.param("joão@ção.com.br.", "[email].", id="email_with_accents"),
        pytest.param("CPF 529.982.247-25", "CPF [cpf]", id="cpf"),
        pytest.param("CPF 52998224725.", "CPF [cpf].", id="cpf_without_punctuation"),
        pytest.param("CPF 529.982.247-26", "CPF [cpf]", id="cpf_with_a_wrong_digit_is_still_written_as_one"),
        pytest.param("pedido 12345678900", "pedido 12345678900", id="eleven_digits_with_wrong_check_digits"),
        pytest.param("lote 00000000000", "lote 00000000000", id="eleven_equal_digits_are_no_cpf"),
        pytest.param("CNPJ 11.222.333/0001-81", "CNPJ [cnpj]", id="cnpj"),
        pytest.param("CNPJ 11222333000181", "CNPJ [cnpj]", id="cnpj_without_punctuation"),
        pytest.param("nota 11222333000182", "nota 11222333000182", id="fourteen_digits_with_wrong_check_digits"),
        pytest.param("12.ABC.345/01DE-35", "[cnpj]", id="alphanumeric_cnpj"),
        pytest.param("12ABC34501DE35 e 12abc34501de35", "[cnpj] e [cnpj]", id="alphanumeric_cnpj_bare"),
        pytest.param("serial 12ABC34501DE36", "serial 12ABC34501DE36", id="serial_number_with_wrong_check_digits"),
        pytest.param("cartão 4111 1111 1111 1111 ok", "cartão [card] ok", id="card"),
        pytest.param("5500-0000-0000-0004", "[card]", id="card_with_dashes"),
        pytest.param("378282246310005", "[card]", id="card_of_fifteen"),
        pytest.param("4111 1111 1111 1112", "4111 1111 1111 1112", id="sixteen_digits_that_fail_luhn"),
        pytest.param("ligue (11) 91234-5678", "ligue [phone]", id="phone"),
        pytest.param("ligue +55 11 91234-5678!", "ligue [phone]!", id="phone_with_country"),
        pytest.param("+1 415 555 2671", "[phone]", id="phone_of_another_country"),
        pytest.param("whats 5511912345678", "whats [phone]", id="phone_as_whatsapp_writes_it"),
        pytest.param("11912345678", "[phone]", id="mobile_without_punctuation"),
        pytest.param("fixo 3123-4567", "fixo [phone]", id="landline"),
        pytest.param("use sk-proj-abcDEF1234567890abcd", "use [secret]", id="key_of_openai"),
        pytest.param("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[secret]", id="key_of_google"),
        pytest.param(f"jwt {JWT}", "jwt [secret]", id="json_web_token"),
        pytest.param("a1" * 25, "[secret]", id="long_mixed_token"),
        pytest.param("minha senha: hunter22", "minha senha: [secret]", id="password_by_its_name"),
    ],
)
def test_people_and_secrets_are_masked(text, masked):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "Quanto vendemos em 2017-10-31, R$ 1.234.567,89 ou 12%?",
        "Compare 2016 com 2017 por região, top 10, acima de 1500.00",
        "oportunidade 1C1I7A6R do produto GTX Plus Basic, 10005534 unidades",
        "período 2017-01-01..2017-12-31 e trimestre 2017-Q3",
        "turn_0199abcdefghjkmnpqrstvwxyz",
        "basic understanding of tokens, bearer of bad news",
        "-" * 60,
    ],
)
def test_questions_about_sales_stay_readable(text):
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        pytest.param("postgresql://prosa:s3cret@db/x", "postgresql://prosa:[secret]@db/x", id="password_in_a_url"),
        pytest.param("redis://:s3cret@cache:6379/0", "redis://:[secret]@cache:6379/0", id="password_without_user"),
        pytest.param("GET /ws?ticket=abcd1234&x=1", "GET /ws?ticket=[secret]&x=1", id="ticket_in_a_query"),
        pytest.param("Authorization: Bearer abcdefgh123456", "Authorization: Bearer [secret]", id="header"),
        pytest.param("authorization: basic dXNlcjpwYXNz", "authorization: basic [secret]", id="basic_header"),
        pytest.param('{"api_key": "abc123def"}', '{"api_key": "[secret]"}', id="key_in_json"),
        pytest.param("OPENAI_API_KEY=whatever99", "OPENAI_API_KEY=[secret]", id="key_in_the_environment"),
        pytest.param("AKIAIOSFODNN7EXAMPLE", "[secret]", id="key_of_aws"),
        pytest.param("ana@x.com at 11912345678", "ana@x.com at 11912345678", id="people_are_not_secrets"),
    ],
)
def test_secrets_are_taken_out_of_any_line(text, redacted):
    assert redact(text) == redacted


def test_prompts_are_left_out_where_the_operator_says_so():
    assert mask_prompt("olá", "off") is None


def test_whole_prompts_still_lose_their_secrets():
    assert mask_prompt("ana@x.com sk-abcdefghijklmnop1234 " + "x" * 600, "full") == "ana@x.com [secret] " + "x" * 600


def test_a_long_prompt_is_cut_after_it_was_masked():
    prompt = "x " * 245 + "ana@example.com" + " y" * 100

    masked = mask_prompt(prompt)

    assert masked == "x " * 245 + "[email] y…"
    assert len(masked) == PROMPT_CHARACTERS


@given(st.text(alphabet=st.sampled_from("a1@. -+()/5{}:=\n…[]"), max_size=700))
def test_masking_what_is_masked_changes_nothing(text):
    once = mask_prompt(text)

    assert once is not None
    assert len(once) <= PROMPT_CHARACTERS
    assert mask_prompt(once) == once
