"""Portuguese, as it is spoken in Brazil."""

from __future__ import annotations

from typing import Final

from agent.providers.offline.words import Words

PORTUGUESE: Final = Words(
    language="pt",
    metrics={
        "revenue": (
            "receita | receita total | receita ganha | receita de vendas | faturamento | valor vendido | valor ganho"
            " | valor das vendas | valor de vendas | total vendido | volume de vendas | renda | quanto faturamos"
            " | faturamos | faturou | faturaram | faturar | valor total ganho | vendas em valor | vendas em dolares"
            " | valor total das vendas | valor total de vendas"
        ),
        "won_deals": (
            "negocios ganhos | numero de vendas | quantidade de vendas | qtd de vendas | vendas ganhas"
            " | oportunidades ganhas | vendas fechadas | contratos ganhos | unidades vendidas"
        ),
        "lost_deals": (
            "negocios perdidos | oportunidades perdidas | vendas perdidas | perdas | derrotas | numero de perdas"
        ),
        "closed_deals": "negocios fechados | oportunidades fechadas | negocios encerrados | oportunidades encerradas",
        "open_deals": (
            "negocios abertos | oportunidades abertas | negocios em aberto | oportunidades em aberto"
            " | negocios em andamento | oportunidades em andamento"
        ),
        "opportunities": "numero de oportunidades | total de oportunidades | quantidade de oportunidades",
        "win_rate": (
            "percentual de negocios ganhos | porcentagem de negocios ganhos | percentual de vendas ganhas"
            " | taxa de conversao"
            " | taxa de ganho | taxa de vitoria | taxa de sucesso | taxa de fechamento | win rate"
            " | conversao | taxa de ganhos | percentual de ganho | indice de conversao | aproveitamento"
            " | taxa de acerto | percentual de conversao | ganhos dividido por ganhos mais perdidos"
        ),
        "average_ticket": (
            "ticket medio | tiquete medio | valor medio | preco medio | media de valor | venda media | ticket"
            " | valor medio por venda | valor medio por negocio | valor medio das vendas | valor medio dos negocios"
            ""
        ),
        "days_to_close": (
            "ciclo de vendas | ciclo de venda | tempo de fechamento | tempo ate o fechamento | dias para fechar"
            " | tempo medio de fechamento | tempo para fechar | prazo de fechamento | dias ate fechar | ciclo medio"
            " | tempo de ciclo | ciclo comercial | demora para fechar | demoramos para fechar | ciclo"
        ),
        "open_pipeline_value": (
            "pipeline aberto | valor do pipeline | valor em aberto | pipeline | valor do pipeline aberto"
            " | funil aberto"
            " | valor do funil | valor em negociacao | pipeline em aberto | carteira aberta | valor do funil aberto"
            " | pipeline aberto a preco de tabela | valor do pipeline aberto a preco de tabela | funil de vendas"
        ),
        "list_price": (
            "preco de tabela | preco de lista | preco tabelado | tabela de precos | preco | =custa | lista de precos"
            " | quanto custa | preco cheio | valor de tabela | precos de tabela"
        ),
        "accounts": "numero de clientes | total de clientes | quantidade de clientes | numero de contas",
        "agents": "numero de vendedores | total de vendedores | quantidade de vendedores",
        "products": "numero de produtos | total de produtos | quantidade de produtos",
    },
    dimensions={
        "agent": (
            "vendedor | vendedores | vendedora | representante | consultor | agente | agente de vendas | quem"
            " | pessoa da equipe | corretor | representante comercial | executivo de vendas | membro do time"
        ),
        "manager": "gerente | gestor | gestora | time | equipe | equipe de vendas | lider | chefe | supervisor",
        "regional_office": (
            "regiao | regioes | regional | escritorio | escritorio regional | filial | filiais | regionais"
            " | escritorios regionais"
        ),
        "product": "produto | item | mercadoria | modelo | modelo de produto",
        "series": "serie | series | linha | linha de produto | familia | familia de produtos | linha de produtos",
        "sector": "setor | setores | segmento | ramo | industria | setor de atuacao | ramo de atividade | area",
        "account": "cliente | conta | empresa | comprador | conta de cliente | empresa cliente",
        "country": "pais | paises | localizacao | nacao",
        "stage": (
            "etapa | estagio | fase | etapa do funil | etapa do negocio | estagio do funil | status | fase do funil"
        ),
        "month": "mes | meses",
        "quarter": "trimestre | trimestres",
        "year": "ano | anos",
    },
    operators={
        "count": (
            "=quantos | =quantas | =qts | =qtos | =qtas | =qnts | =quantos q | =quantas q | numero de | quantidade de | qtd de | qtde de | contagem de | =qtd | n de"
            " | quantidade"
        ),
        "tally": "numero de | quantidade de | qtd de | qtde de | contagem de | =qtd | n de | quantidade | unidade | peca",
        "how_much": "=quanto | =quanta | =quanto q | qual o valor | qual foi o valor | qual o total | soma | qnto | qto",
        "average": "media | medio | em media",
        "deal": (
            "negocio | oportunidade | contrato | negociacao | negociacoes | proposta | deal | lead | negocios foram"
        ),
        "opportunity": "oportunidade | lead",
        "sale": (
            "vendas foram | venda | vendemos | vendeu | venderam | vender | vendido | vendi | vendendo | vende | compraram | comprou"
            " | compra | vendem | entrou | resultado | desempenho | performance | comprando"
            " | saiu | sairam | como fomos | como estamos indo | como foi | nos saimos"
        ),
        "buy": "compraram | comprou | compra | comprando",
        "value": "valor | preco | dinheiro | montante",
        "days": "dia | tempo | quanto tempo | leva | demora | dura | demoramos | levamos | duracao",
        "won": "ganho | ganhamos | ganhou | ganharam | ganhar | vencemos | venceu | ganhando | fechado com sucesso",
        "lost": "perdido | perdemos | perdeu | perderam | perder | perda | perdendo | perde | perdi",
        "open": "aberto | em aberto | em andamento | pendente",
        "closed": "fecharem | fechado | fechamos | fechou | fecharam | fechar | encerrado | concluido | fechando",
        "engaging": "em negociacao | engaging | em engajamento | engajado",
        "prospecting": "em prospeccao | prospecting | prospeccao | prospectando",
        "by": "por | cada | por cada | para cada | de cada | em cada | separado por | dividido por | agrupado por",
        "by_month": "mensal | mensais | mensalmente | mes a mes | por mes | de cada mes | mes por mes",
        "by_quarter": "trimestral | trimestrais | trimestralmente | trimestre a trimestre | por trimestre",
        "by_year": "anual | anuais | anualmente | ano a ano | por ano",
        "which": "qual | quais | =que | de quem",
        "list": (
            "liste | listar | lista | lista de | mostre | mostrar | mostra | me mostra | me da | me de | quero ver"
            " | exiba | relacao de | relacione | enumere | quem sao"
        ),
        "compare": (
            "compare | comparar | comparado | comparando | comparacao | comparativo | versus | vs | em relacao a"
            " | contra | frente a | em comparacao com | em relacao ao | em comparacao | comparada | diante de | x"
        ),
        "growth": (
            "crescimento | cresceu | crescemos | variacao | variou | aumento | aumentou | queda | caiu | cresceram"
            " | evoluiu | diferenca | mudou | subiu"
        ),
        "trend": "evolucao | tendencia | ao longo do tempo | historico | serie historica | serie temporal",
        "share": "representa | representam | percentual | porcentagem | participacao | fatia | por cento | proporcao | em percentual | parcela",
        "without": (
            "sem | nao tem | nao tem nenhum | nao tiveram | nao teve | nao possui | nao possuem | nunca | nao tenham"
            " | sem nenhum | sem nenhuma | nenhum | nao | nada"
        ),
        "except": "exceto | menos o | menos a | fora o | fora a | fora de | fora do | fora da | fora dos | sem ser | excluindo | tirando | sem contar | desconsiderando",
        "only": "so | somente | apenas | soh | filtra | filtre | filtrar | considerando apenas",
        "and": "=e | bem como | assim como | e tambem | junto com",
        "follow": ("=e | agora | mas | entao | e se for | e quanto a | e quanto ao | tambem"),
        "top": (
            "mais longo | mais demorado | mais lento | melhor | maior | top | principal | principais | primeiros | primeiras | mais alto | campeao | lider em"
            " | que mais | destaque | mais vendido | maior | =tops"
        ),
        "bottom": "mais curto | mais rapido | pior | menor | mais baixo | que menos | lanterna | mais fraco | menos vendido",
        "more": "=mais",
        "less": "=menos",
        "ranking": "ranking | classificacao | rank | ranqueado | ordenado | ranqueie",
        "ascending": (
            "pior primeiro | piores primeiro | do pior para o melhor | do pior ao melhor | do menor para o maior"
            " | do menor ao maior | em ordem crescente | ordem crescente | comecando pelo pior | dos piores aos melhores"
        ),
        "descending": (
            "melhor primeiro | melhores primeiro | do melhor para o pior | do melhor ao pior | do maior para o menor"
            " | do maior ao menor | em ordem decrescente | ordem decrescente | comecando pelo melhor"
        ),
        "chronological": "em ordem cronologica | cronologico | cronologica | por ordem de data",
        "filled": "preenchido | preenchida | cadastrado | informado | associado | vinculado | definido",
        "pronoun": "=ele | =ela | dele | dela | =desse | =dessa | =deste | =desta | =nele | =nela | esse vendedor",
        "before": "antes de | antes do | antes da | anterior a | anteriores a",
        "anaphor": "isso da | isso deu | isso foi | foi isso | sao isso | foram esses | sao esses | foi esse | negocios foram | vendas foram",
        "from": "desde | a partir de | a partir do | de",
        "to": "a | ate | ao",
        "between": "entre",
        "since": "desde | a partir de | desde o | desde a",
        "until": "ate | ate o",
        "last": "ultimo | ultima | passado | passada | retrasado",
        "this": (
            "este | esse | esta | essa | neste | nesse | nesta | nessa | atual | corrente | deste | desse | desta"
        ),
        "next": "proximo | proxima | que vem | seguinte",
        "previous": "anterior | antes | precedente | imediatamente anterior",
        "same": "mesmo | mesma",
        "ago": "atras",
    },
    periods={
        "all_time": (
            "todo o periodo | desde sempre | no total geral | o periodo todo | toda a historia | de todo o tempo"
        ),
        "today": "=hoje",
        "this_year": "acumulado do ano | ano ate agora | ytd",
        "yesterday": "=ontem",
    },
    units={
        "day": "dia | dias",
        "week": "semana | semanas",
        "month": "mes | meses | =m",
        "quarter": "trimestre | trimestres | tri | =t | =q",
        "half": "semestre | semestres | =s",
        "year": "ano | anos",
    },
    months=(
        "janeiro | =jan",
        "fevereiro | =fev",
        "marco | =mar",
        "abril | =abr",
        "maio | =mai",
        "junho | =jun",
        "julho | =jul",
        "agosto | =ago",
        "setembro | =set",
        "outubro | =out",
        "novembro | =nov",
        "dezembro | =dez",
    ),
    numbers={
        1: "=um | =uma",
        2: "=dois | =duas",
        3: "tres",
        4: "quatro",
        5: "cinco",
        6: "seis",
        7: "sete",
        8: "oito",
        9: "nove",
        10: "dez | dezena",
        12: "doze",
        15: "quinze",
        20: "vinte",
        30: "trinta",
        90: "noventa",
    },
    ordinals={
        1: "primeiro | primeira | =1o | =1a",
        2: "segundo | segunda",
        3: "terceiro | terceira",
        4: "quarto | quarta",
        5: "quinto | quinta",
    },
    values={
        "regional_office:East": "leste | regiao leste",
        "regional_office:West": "oeste | regiao oeste",
        "regional_office:Central": "centro | regiao central | regiao centro",
    },
    topics={
        "margin": (
            "margem | margens | lucro | lucratividade | rentabilidade | lucrativo | rentavel | ebitda | roi | markup"
        ),
        "cost": (
            "custo | custos | despesa | gasto | gastamos | gastou | salario | comissao | comissoes | imposto"
            " | desconto"
            " | cac | investimos | investimento | cobramos de frete | frete"
        ),
        "forecast": (
            "previsao | previsoes | projecao | projecoes | prever | preveja | vamos vender | venderemos"
            " | iremos vender"
            " | estimativa | forecast | vai vender | devemos vender | vamos fechar | vao fechar"
            " | probabilidade | chance"
            " | vamos faturar | faturaremos | futuro | vai fechar | tende a | vai ser | sera | vamos bater | projete"
            " | vai crescer | ira | estime"
        ),
        "why": (
            "por que | =porque | por quê | motivo | motivos | razao | razoes | causa | explique por que | explica"
            " | explique"
        ),
        "target": "meta | metas | cota | objetivo de vendas | orcamento | budget | orcado | bateu a meta | okr",
        "people": (
            "funcionario | empregado | colaborador | idade | genero | demitir | contratar | turnover"
            " | promover | ferias"
            " | demitido | demissao | aniversario | anos de casa | bonus"
        ),
        "contact": "telefone | e-mail | email | endereco | contato | whatsapp | celular | site | cnpj | cpf",
        "single_deals": (
            "maior venda | maior negocio | maior oportunidade | menor venda | maiores negocios | maiores vendas"
            " | ultima venda | ultimas vendas | ultimo negocio | detalhe do negocio | liste os negocios"
            " | liste as oportunidades | liste as vendas | primeira venda | ultimos negocios | quais negocios"
            " | maiores oportunidades | quais oportunidades | id da oportunidade"
        ),
        "currency": (
            "em reais | em euros | =r$ | converter | converta | euro | libra | em pesos | bitcoin | cambio"
            " | conversao de moeda"
        ),
        "what_if": "se aumentarmos | se reduzirmos | simule | simulacao | se dobrarmos | cenario",
        "other_facts": (
            "=quando | onde | ultima compra | mediana | desvio padrao | estoque | inventario | satisfacao | nps | reclamacao | churn"
            " | cancelamento | inadimplencia | pagamento"
            " | concorrente | concorrencia | marketing digital | campanha | visita | ligacao | reuniao"
            " | entrega | prazo de entrega"
            " | origem do lead | canal | fonte do lead | suporte | chamado | devolucao | mercado | recomendacao"
            " | recomenda | deveria | devo | devemos | clima | tempo em | noticia | acoes da | bolsa | capital"
            " | receita dos clientes | fundada | fundacao | presidente | copa | jogo | piada | poema | traduza"
            " | receita de bolo | filme | musica | codigo | python | estado | cidade | hora | horas | semana que"
        ),
        "write": (
            "apague | apagar | delete | exclua | altere | alterar | atualize | atualizar | insira | cadastre"
            " | crie | envie | mande"
        ),
    },
    social={
        "greeting": (
            "oi | ola | bom dia | boa tarde | boa noite | e ai | opa | tudo bem | tudo bom | como vai | oie"
            " | eai | salve"
            " | como voce esta"
        ),
        "thanks": "obrigado | obrigada | valeu | brigado | agradeco | muito obrigado | obg | perfeito | otimo | show",
        "goodbye": "tchau | ate logo | ate mais | adeus | ate amanha",
        "capabilities": (
            "o que voce sabe fazer | o que voce faz | ajuda | como funciona | o que posso perguntar | me ajuda"
            " | o que voce pode fazer | o que voce consegue fazer | quais perguntas | exemplos"
            " | como voce pode me ajudar"
            " | me ajude | o que da para perguntar | o que vc faz | o que vc sabe fazer | comandos | instrucoes"
            " | o que da pra perguntar | que perguntas | quais dados voce tem | que dados voce tem"
            " | o que consegue responder"
        ),
        "identity": (
            "quem e voce | voce e um robo | voce e uma ia | qual seu nome | qual e o seu nome | voce e humano"
            " | que modelo e voce"
        ),
        "yes": "=sim | pode ser | isso | isso mesmo | claro | pode | quero | com certeza | exato",
        "no": "nao obrigado | deixa pra la | esquece",
    },
    markets={
        "usd_brl": (
            "dolar | cotacao do dolar | cotacao | dolar hoje | usd | taxa de cambio | preco do dolar | valor do dolar"
        ),
        "selic": "selic | taxa selic | taxa basica | juros | taxa de juros",
    },
    filler=(
        "o | a | os | as | um | uma | de | do | da | dos | das | em | no | na | nos | nas | ao | aos | para"
        " | pra | pro"
        " | pela | pelo | pelos | pelas | com | que | se | foi | foram | e | eh | sao | ser | era | esta"
        " | estao | estava"
        " | estamos | tem | temos | tinha | ter | ha | houve | existem | existe | nosso | nossa | nossos"
        " | nossas | meu"
        " | minha | meus | minhas | seu | sua | a gente | nos | eu | voce | vc | me | por favor | favor | pf"
        " | pfv | gostaria"
        " | saber | quero | queria | poderia | pode | diga | dizer | diz | fala | fale | informe | informar | informa"
        " | passa | total | totais | geral | ao todo | no total | todo | toda | todos | todas | completo | completa"
        " | antes do atual | gerou | geraram | gerado | trouxe | trouxeram | teve | tiveram | tivemos | fez | fizeram"
        " | fizemos | feito | obteve | obtivemos | registrou | deu | ate agora | ja | la | ai | aqui | isso"
        " | la do | como"
        " | ficou | ficaram | anda | andam | vai | vao | dessa vez | atualmente | no momento | agora | numero"
        " | numeros"
        " | figura | dados | dado | valor total | em termos de | acordo com | dentro | dentro de"
        " | responsavel | respectivo | respectivamente | comercial | empresa toda | companhia | cujo | esses | essas"
        " | nome | nomes | tambem | bem | muito | mais ou menos | per | favorzinho | veja | ver | olha | consegue"
        " | conseguiu | conseguimos | conseguiram | preciso | periodo | sede | sediados | localizados | fica | ficam"
        " | ou | ainda | trabalham | trabalha | atuam | atua | cada um dos | deram | acumulado | acumulada | dao | vale | criado | criada | coisa | alguma coisa"
        " | oficial | resumo | relatorio | tabela | realizado | realizada | realizadas | dolares | usd | us"
        " | fechadas"
        " | sobre | corresponde | vem | veio | vieram | vez | vezes | ele tem"
        " | durante | qual e"
        " | colocado | colocada | lugar | posicao | mostre-me | ordem | valores | quanto a | entre si"
        " | cada um | gente"
        " | bateu | gera | geram | falar | fala ai | basicamente | rapidinho | rapido | sabe | sabe me dizer"
        " | do que | aquele | aquela | me manda | me mande | me envia | gnt | vcs | ta | efetivamente | realmente | exatamente | mil | ok | certo"
    ),
)
