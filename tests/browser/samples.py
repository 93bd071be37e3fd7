"""Texts that tests let the assistant write."""

TABLE_ANSWER = """## Receita por região

A região **Central** liderou, com `US$ 3.346.293` em negócios ganhos:

| Região | Receita | Ganhos | Taxa de ganho | Ticket médio | Dias até fechar |
|---|---:|---:|---:|---:|---:|
| Central | US$ 3.346.293 | 1,629 | 62.6% | $2,054 | 52 |
| West | $3,568,647 | 1,438 | 63.9% | $2,481 | 51 |
| East | $3,090,594 | 1,171 | 63.0% | $2,639 | 53 |

1. O **West** tem o maior volume.
2. O *East* tem o maior ticket médio.
   - sobretudo em `GTX Plus Pro`

> Dados até 31/12/2017.

Veja [a documentação](https://example.com/docs) ou some_snake_case sem ênfase.

```sql
SELECT regional_office, SUM(close_value) FROM sales_pipeline WHERE stage = 'Won' GROUP BY 1;
```
"""

FRAGMENTS = tuple(TABLE_ANSWER[start : start + 7] for start in range(0, len(TABLE_ANSWER), 7))

HOSTILE_ANSWER = """<img src=x onerror="window.pwned=1"> <script>window.pwned=2</script>

[a](javascript:window.pwned=3) [b](data:text/html,<script>window.pwned=4</script>) [c](JaVaScRiPt:window.pwned=5)

![remote](https://tracker.example/pixel.png) ![inline](data:image/svg+xml,<svg/onload=window.pwned=6>)

[vb](vbscript:x) [rel](/admin) [ok](https://example.com/?q="><script>window.pwned=7</script>)

| <b>x</b> | y |
|---|---|
| <iframe src=javascript:window.pwned=8> | z |

```html"><script>window.pwned=9</script>
<script>window.pwned=10</script>
```
"""
