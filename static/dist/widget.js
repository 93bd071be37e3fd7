/* Prosa chat widget. Contains streaming-markdown 0.2.15, (c) Damian Tarnawski, MIT licence. Source: static/src. */
"use strict";(()=>{var J=["server","mode","agent","user","token","ticket-url","session","lang","accent","title"];function ge(e){let t=i=>e.getAttribute(i)||void 0,n=new URL(t("server")??"/",document.baseURI).href,s=t("ticket-url");return{server:n.endsWith("/")?n:`${n}/`,mode:t("mode")==="page"?"page":"bubble",agent:t("agent"),user:t("user"),token:t("token"),ticketUrl:s===void 0?void 0:new URL(s,document.baseURI).href,session:t("session"),lang:t("lang"),accent:t("accent"),title:t("title")}}function me(e){let t=new URL("ws",e);return t.protocol=t.protocol==="https:"?"wss:":"ws:",t.href}async function be(e){let t=new URL("api/v1/config",e.server);e.agent!==void 0&&t.searchParams.set("agent",e.agent);try{let n=await fetch(t,{signal:AbortSignal.timeout(1e4)});return n.ok?await n.json():{}}catch{return{}}}var _e="prosa.user",xe="prosa.visitor";function X(){let e=crypto.getRandomValues(new Uint8Array(16)),t=Date.now();for(let s=0;s<6;s+=1)e[s]=Math.floor(t/2**(8*(5-s)))&255;e[6]=112|e[6]&15,e[8]=128|e[8]&63;let n=[...e].map(s=>s.toString(16).padStart(2,"0")).join("");return[n.slice(0,8),n.slice(8,12),n.slice(12,16),n.slice(16,20),n.slice(20)].join("-")}function I(e){try{return localStorage.getItem(e)}catch{return null}}function _(e,t){try{t===null?localStorage.removeItem(e):localStorage.setItem(e,t)}catch{}}function Z(){let e=I(_e);if(e!==null)return e;let t=`web-${X()}`;return _(_e,t),t}var E=class extends Error{};async function ke({userId:e,token:t,ticketUrl:n}){return n!==void 0?{ticket:await rt(n)}:t!==void 0?{token:t}:{user_id:e??Z()}}async function rt(e){let t=I(xe),n=await fetch(e,{method:"POST",headers:{"Content-Type":"application/json"},body:JSON.stringify(t===null?{}:{visitor_token:t}),signal:AbortSignal.timeout(1e4)});if(n.status===401||n.status===403)throw new E(`HTTP ${n.status}`);if(!n.ok)throw new Error(`HTTP ${n.status}`);let s=await n.json();if(typeof s.visitor_token=="string"&&_(xe,s.visitor_token),typeof s.ticket!="string")throw new Error("the answer holds no ticket");return s.ticket}var Ee="prosa.v1";var ye=new Set(["session.opened","session.snapshot","session.live","session.erased","ok","error","history","delivery.ready","typing","ping","pong","server.draining"]);var at={1e3:"ended",1002:"frames",1003:"frames",1007:"frames",1008:"forbidden",3e3:"unauthorized",3003:"forbidden",4500:"frames",4501:"unauthorized",4502:"ended",4503:"forbidden",4504:"erased",4506:"connections"},dt=new Set([1013,4008]);function we(e){let t=at[e];return t!==void 0?{again:!1,reason:t}:e>=4500&&e<=4999?{again:!1,reason:"ended"}:{again:!0,leastMs:dt.has(e)?5e3:0}}function ve(e,t){let n=Math.min(3e4,500*2**Math.min(e+1,10));return 500+t()*(n-500)}var ct=1e3,lt=15e3,ut=1e4,Ae=1e4,ht=3050,L=class extends EventTarget{constructor({url:t,session:n,credential:s,save:i}){super(),this.url=t,this.session=n,this.credential=s,this.save=i,this.socket=null,this.retryTimer=void 0,this.retryAt=null,this.stopReason=null,this.attempt=0,this.generation=0,this.connectingSince=0,this.lastTick=Date.now(),this.renewed=!1,this.lifetime=new AbortController}start(){this.lifetime=new AbortController;let{signal:t}=this.lifetime;addEventListener("online",()=>this.wake(),{signal:t}),addEventListener("offline",()=>this.wake(),{signal:t}),addEventListener("pageshow",()=>this.wake(),{signal:t}),addEventListener("pagehide",()=>this.#o(1e3),{signal:t}),document.addEventListener("visibilitychange",()=>document.hidden||this.wake(),{signal:t});let n=setInterval(()=>this.#u(),ct);t.addEventListener("abort",()=>clearInterval(n)),this.#e()}stop(){this.lifetime.abort(),this.#o(1e3),clearTimeout(this.retryTimer)}wake(){if(this.stopReason===null){if(this.socket===null)return this.#e();this.run(this.session.wake(Date.now())),setTimeout(()=>this.#u(),ht)}}restart(){this.stopReason=null,this.renewed=!1,this.attempt=0,this.#o(1e3),this.#e()}run(t){for(let n of t)switch(n.kind){case"send":this.socket?.readyState===WebSocket.OPEN&&this.socket.send(JSON.stringify(n.frame));break;case"close":this.#o(1e3),this.#e();break;case"renew":this.#a();break;case"save":this.save(this.session.outbox.items);break;case"notice":this.dispatchEvent(new CustomEvent("notice",{detail:n}));break}this.dispatchEvent(new Event("change"))}async#e(){if(clearTimeout(this.retryTimer),this.retryAt=null,this.socket!==null||this.lifetime.signal.aborted)return;let t=++this.generation;this.connectingSince=Date.now();let n;try{n=await this.credential()}catch(s){if(t!==this.generation)return;s instanceof E?this.#r("unauthorized"):this.#s(0);return}t!==this.generation||this.lifetime.signal.aborted||this.#t(n)}#t(t){let n=new WebSocket(this.url,[Ee]);this.socket=n,n.onopen=()=>this.run(this.session.connected(Date.now(),t)),n.onmessage=s=>{typeof s.data=="string"&&this.run(this.session.received(s.data,Date.now()))},n.onclose=s=>this.#i(s.code),this.dispatchEvent(new Event("change"))}#i(t){let n=this.session.phase==="live"&&Date.now()-this.session.liveSince>=Ae,s=t===4502&&this.session.reopenAt!==null,{drainMs:i}=this.session;this.#d(),this.run(this.session.disconnected(t)),n&&(this.attempt=0);let o=we(t);o.again||s?this.#s(Math.max(i,o.again?o.leastMs:0)):this.#r(o.reason)}#s(t){let n=Math.max(t,ve(this.attempt,Math.random));this.attempt+=1,this.retryAt=Date.now()+n,clearTimeout(this.retryTimer),this.retryTimer=setTimeout(()=>this.#e(),n),this.dispatchEvent(new Event("change"))}#r(t){this.stopReason=t,this.session.stop(),this.dispatchEvent(new Event("change"))}#a(){return this.#o(1e3),this.renewed?this.#r("unauthorized"):(this.renewed=!0,this.#e())}#u(){let t=Date.now(),n=t-this.lastTick>ut;this.lastTick=t,n&&this.wake(),this.socket?.readyState===WebSocket.CONNECTING&&t-this.connectingSince>lt&&(this.#o(1e3),this.#s(0)),this.session.phase==="live"&&t-this.session.liveSince>=Ae&&(this.attempt=0,this.renewed=!1);let s=this.session.tick(t);s.length>0&&this.run(s)}#o(t){let{socket:n}=this;this.#d(),n!==null&&(n.close(t),this.run(this.session.disconnected(t)))}#d(){this.generation+=1,this.socket!==null&&(this.socket.onopen=this.socket.onmessage=this.socket.onclose=null),this.socket=null}};function te(e){let t=/^#([\da-f])([\da-f])([\da-f])$/i.exec(e.trim()),n=/^#([\da-f]{2})([\da-f]{2})([\da-f]{2})$/i.exec(e.trim()),s=t?.slice(1).map(i=>i+i)??n?.slice(1);return s===void 0?null:s.map(i=>Number.parseInt(i,16))}function ee(e){return`#${e.map(t=>Math.round(t).toString(16).padStart(2,"0")).join("")}`}function y(e,t){let[n,s]=[Ie(e),Ie(t)].toSorted((i,o)=>i-o);return(s+.05)/(n+.05)}function Le(e,t){let n=[255,255,255],s=[17,17,17],i=y(t,n)>y(t,s)?n:s,o=y(e,n)>=4.6?n:s,a=Te(e,o===n?s:n,b=>y(b,o)>=4.6),d=Te(e,i,b=>y(b,t)>=4.6);return{fill:ee(a),ink:ee(d),onFill:ee(o)}}function Te(e,t,n){for(let s=0;s<1;s+=.04){let i=e.map((o,a)=>o+(t[a]??0)*s-o*s);if(n(i))return i}return t}function Ie(e){let[t,n,s]=e.map(i=>{let o=i/255;return o<=.04045?o/12.92:((o+.055)/1.055)**2.4});return .2126*t+.7152*n+.0722*s}function r(e,t={},...n){let s=document.createElement(e);for(let[i,o]of Object.entries(t))typeof o=="function"?s.addEventListener(i.slice(2),o):o===!0?s.setAttribute(i,""):o!==!1&&o!==null&&o!==void 0&&s.setAttribute(i,o);return s.append(...n.filter(i=>i!==null)),s}var pt={send:["M12 19V5","M5.5 11.5 12 5l6.5 6.5"],stop:["M8 8h8v8H8z"],copy:["M9 9h10v11H9z","M5 15V4h10"],check:["m5 12.5 4.5 4.5L19 7"],cross:["m6 6 12 12","M18 6 6 18"],again:["M4.5 12a7.5 7.5 0 1 0 2.6-5.7","M4.5 4.5v4h4"],up:["M7 20V10.5L11.2 3c1.5.2 2.3 1.3 2 2.8l-.7 3.7H18c1.3 0 2.1 1.1 1.8 2.3l-1.5 6.4c-.3 1.1-1.2 1.8-2.3 1.8z","M3.5 10.5V20"],down:["M17 4v9.500L12.800 21c-1.500-.2-2.300-1.300-2-2.800l.7-3.700H6c-1.300 0-2.100-1.100-1.800-2.300l1.500-6.400C6 4.700 6.900 4 8 4z","M20.500 13.500V4"],bottom:["M12 5v14","m5.5 12.500 6.500 6.500 6.500-6.500"],chat:["M4 5.500h16v11H10.500L6 20.500v-4H4z"],chevron:["m9 6 6 6-6 6"],sun:["M12 8a4 4 0 1 1 0 8 4 4 0 0 1 0-8z","M12 2.500v2M12 19.500v2M2.500 12h2M19.500 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400"],moon:["M20 14.500A8.500 8.500 0 0 1 9.500 4a8.500 8.500 0 1 0 10.500 10.500z"],auto:["M12 3.500a8.500 8.500 0 1 1 0 17 8.500 8.500 0 0 1 0-17z","M12 3.500v17"]};function f(e){let t="http://www.w3.org/2000/svg",n=document.createElementNS(t,"svg");n.setAttribute("viewBox","0 0 24 24"),n.setAttribute("aria-hidden","true"),n.setAttribute("class","icon");for(let s of pt[e]){let i=document.createElementNS(t,"path");i.setAttribute("d",s),n.append(i)}return n}function g(e,t,n){return r("button",{type:"button","aria-label":t,title:t,...n},f(e))}function p(e,t){e.textContent!==t&&(e.textContent=t)}async function N(e){try{return await navigator.clipboard.writeText(e),!0}catch{return!1}}function w(e){let t=0;for(let n=0;n<e.length;n+=1)Ce(e,n)&&(t+=1,n+=1);return e.length-t}function ne(e,t){if(e.length<=t)return e;let n=0;for(let s=0;s<t&&n<e.length;s+=1)n+=Ce(e,n)?2:1;return e.slice(0,n)}function Ne(e){return e.replaceAll("\0","").replace(/[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g,"�").trim()}function k(e){return typeof e=="string"?e:e.map(t=>t.text).filter(t=>t!==void 0).join(`
`)}function Ce(e,t){let n=e.charCodeAt(t);if(n<55296||n>56319)return!1;let s=e.charCodeAt(t+1);return s>=56320&&s<=57343}function Re(e,t){let n=[],s=new Set,i=bt(e);for(let o of e?.messages??[])o.re!==void 0&&s.add(o.re),o.role==="assistant"?Oe(n,Se(e,o.turn_id,o,i)):n.push(o.role==="operator"?gt(o):ft(e,o));for(let o of mt(e,n))Oe(n,Se(e,o,null,i));for(let o of t)!s.has(o.cid)&&o.state!=="accepted"&&n.push({kind:"user",key:`re:${o.cid}`,text:o.text,message:null,outgoing:o,queued:null});return n}function ft(e,t){let n=e?.queue.some(s=>s.turn_id===t.turn_id)&&e.turn!==null;return{kind:"user",key:t.re===void 0?t.message_id:`re:${t.re}`,text:k(t.content),message:t,outgoing:null,queued:n?t.turn_id:null}}function gt(e){return{kind:"operator",key:e.message_id,message:e,text:k(e.content)}}function Se(e,t,n,s){let i=e?.turn?.turn_id===t?e.turn:null;return{kind:"answer",key:`turn:${t}`,turnId:t,message:n,running:i!==null||(e?.queue.some(o=>o.turn_id===t)??!1),parked:i?.state==="parked",details:e?.details.get(t)??null,approvals:i?.approvals??[],last:t===s&&i===null&&e?.queue.length===0}}function Oe(e,t){let n=e.findLastIndex(s=>s.kind==="user"&&s.message?.turn_id===t.turnId);n<0?e.push(t):e.splice(n+1,0,t)}function mt(e,t){if(e===null)return[];let n=new Set(t.flatMap(d=>d.kind==="answer"?d.turnId:[])),s=t.flatMap(d=>d.kind==="user"&&d.message?.turn_id?d.message.turn_id:[]),i=new Set(e.queue.map(d=>d.turn_id)),o=e.turn===null?e.queue[0]:void 0,a=s.filter(d=>!i.has(d)||d===o?.turn_id);return e.turn!==null&&a.push(e.turn.turn_id),[...new Set(a)].filter(d=>!n.has(d))}function bt(e){return e?.messages.findLast(n=>n.role!=="operator"&&n.turn_id!=="")?.turn_id??""}var C=class{constructor(t){this.prefix=t===null?null:`prosa.outbox.${t}.`,this.written=new Set}load(){if(this.prefix===null)return[];let t=_t().filter(n=>n.startsWith(this.prefix)).flatMap(n=>xt(localStorage.getItem(n)));for(let n of t)this.written.add(n.cid);return t}save(t){if(this.prefix===null)return;let n=new Set(t.map(s=>s.cid));for(let s of this.written)n.has(s)||_(this.prefix+s,null);for(let s of t)_(this.prefix+s.cid,JSON.stringify(s));this.written=n}};function _t(){try{return Object.keys(localStorage)}catch{return[]}}function xt(e){try{let t=JSON.parse(e??"null");return typeof t?.cid=="string"&&typeof t.text=="string"&&Number.isFinite(t.createdAt)?[{...t,state:t.state==="sent"?"waiting":t.state}]:[]}catch{return[]}}function Me(e,t){let n={epoch:e.epoch,seq:e.seq,messages:[...e.messages??[]],more:e.more??!1,turn:e.turn??null,queue:[...e.queue??[]],details:new Map},s=new Set(n.messages.map(i=>i.turn_id));for(let[i,o]of t?.details??[])o.end!==void 0&&s.has(i)&&n.details.set(i,o);return n.turn!==null&&n.details.set(n.turn.turn_id,{tools:n.turn.tools}),n}function Ue(e,t){return e.seq=t.seq,kt[t.type]?.(e,t)??!0}function ie(e,t){return e.messages.findLast(n=>n.message_id===t)}var kt={"message.delta":(e,t)=>Be(e,t.message_id,n=>wt(n,t.off,t.text)),"message.reset":(e,t)=>Be(e,t.message_id,n=>ne(n,t.to)),"message.created":(e,t)=>{let n={message_id:t.message_id,turn_id:t.turn_id??"",role:t.role,content:t.content,channel:t.channel,ts:t.ts,status:"complete"};t.re!==void 0&&t.re!==null&&(n.re=t.re),e.messages.push(n)},"message.started":(e,t)=>{e.turn!==null&&(e.turn={...e.turn,message_id:t.message_id}),e.messages.push({message_id:t.message_id,turn_id:t.turn_id,role:"assistant",content:"",channel:t.channel,ts:t.ts,status:"running"})},"message.completed":(e,t)=>{let n=ie(e,t.message_id);if(n===void 0)return!0;let s={cancelled:"cancelled",failed:"failed"};return v(e,t.message_id,{status:s[t.finish_reason]??"complete"}),typeof n.content!="string"||w(n.content)===t.length},"turn.queued":Et,"turn.started":yt,"turn.recovered":(e,t)=>{e.turn!==null&&(e.turn={...e.turn,attempt:t.attempt})},"turn.waiting":e=>{e.turn!==null&&(e.turn={...e.turn,state:"parked"})},"turn.resumed":e=>{e.turn!==null&&(e.turn={...e.turn,state:"running"})},"turn.completed":(e,t)=>se(e,t,"completed"),"turn.failed":(e,t)=>se(e,t,"failed"),"turn.cancelled":(e,t)=>se(e,t,"cancelled"),"step.started":(e,t)=>{(t.provider||t.model)&&He(e,t)},"tool.started":(e,t)=>{let n={call_id:t.call_id,step:t.step,name:t.name,title:t.title,status:"running"};t.arguments!==void 0&&(n.arguments=t.arguments),qe(e,s=>[...s.filter(i=>i.call_id!==n.call_id),n])},"tool.completed":(e,t)=>De(e,t,"completed",["summary","result","duration_ms"]),"tool.failed":(e,t)=>De(e,t,"failed",["code","message","duration_ms"]),"approval.requested":(e,t)=>{if(e.turn===null)return;let{approval_id:n,call_id:s,name:i,title:o,reason:a,approver:d,expires_at:b}=t,V={approval_id:n,call_id:s,name:i,title:o,arguments:t.arguments,reason:a,approver:d,expires_at:b};e.turn={...e.turn,approvals:[...e.turn.approvals,V]}},"approval.resolved":(e,t)=>{if(e.turn===null)return;let n=e.turn.approvals.filter(s=>s.approval_id!==t.approval_id);e.turn={...e.turn,approvals:n}},"source.added":(e,t)=>{let n=ie(e,t.message_id);if(n===void 0)return;let s={source_id:t.source_id,title:t.title};t.url&&(s.url=t.url),t.snippet&&(s.snippet=t.snippet),v(e,t.message_id,{sources:[...n.sources??[],s]})},"delivery.updated":(e,t)=>v(e,t.message_id,{delivery:{channel:t.channel,status:t.status}})};function Et(e,t){let n={turn_id:t.turn_id,message_ids:t.message_ids};t.retry_of&&(n.retry_of=t.retry_of);let s=e.queue.findIndex(i=>i.turn_id===t.turn_id);e.queue=s<0?[...e.queue,n]:e.queue.with(s,n),t.retry_of||Ge(e,t.message_ids,t.turn_id)}function yt(e,t){for(let n of e.queue)n.turn_id!==t.turn_id||n.retry_of===void 0||(e.messages=e.messages.filter(s=>!(s.turn_id===n.retry_of&&s.role==="assistant")),Ge(e,n.message_ids,t.turn_id));e.queue=e.queue.filter(n=>n.turn_id!==t.turn_id),e.turn={turn_id:t.turn_id,state:"running",attempt:t.attempt,message_id:null,tools:[],approvals:[]},e.details.set(t.turn_id,{tools:e.turn.tools})}function se(e,t,n){e.queue=e.queue.filter(ot=>ot.turn_id!==t.turn_id),e.turn?.turn_id===t.turn_id&&(e.turn=null),He(e,t);let{usage:s,cost_usd:i,duration_ms:o,ttft_ms:a,from_cache:d,code:b,message:V,retryable:nt}=t,st={outcome:n,usage:s,cost_usd:i,duration_ms:o,ttft_ms:a,from_cache:d,code:b,message:V,retryable:nt},it=e.details.get(t.turn_id)??{tools:[]};e.details.set(t.turn_id,{...it,end:st})}function He(e,t){let s={...e.details.get(t.turn_id)??{tools:[]}};t.provider&&(s.provider=t.provider),t.model&&(s.model=t.model),e.details.set(t.turn_id,s)}function De(e,t,n,s){let i=Object.fromEntries(s.filter(o=>t[o]!==void 0).map(o=>[o,t[o]]));qe(e,o=>o.map(a=>a.call_id===t.call_id?{...a,...i,status:n}:a))}function qe(e,t){if(e.turn===null)return;let n=t(e.turn.tools);e.turn={...e.turn,tools:n},e.details.set(e.turn.turn_id,{...e.details.get(e.turn.turn_id)??{},tools:n})}function Ge(e,t,n){for(let s of t)v(e,s,{turn_id:n})}function Be(e,t,n){let s=ie(e,t);s!==void 0&&typeof s.content=="string"&&v(e,t,{content:n(s.content)})}function v(e,t,n){let s=e.messages.findLastIndex(o=>o.message_id===t),i=e.messages[s];i!==void 0&&(e.messages[s]={...i,...n})}function wt(e,t,n){return ne(e,t)+n}var S=class{constructor(t,n){this.items=t.toSorted((s,i)=>s.createdAt-i.createdAt).map(s=>n-s.createdAt>828e5&&s.state!=="accepted"?vt(s):{...s})}add(t){this.items.push(t)}find(t){return this.items.find(n=>n.cid===t)}remove(t){this.items=this.items.filter(n=>n.cid!==t)}rewind(){for(let t of this.items)t.state==="sent"&&(t.state="waiting"),delete t.retryAt}next(t){if(this.items.some(s=>s.state==="sent"))return;let n=this.items.find(s=>s.state==="waiting");return n!==void 0&&(n.retryAt??0)<=t?n:void 0}accept(t,n,s){t.state="accepted",t.acceptedAt=s,t.turnId=n}postpone(t,n,s){t.failures=(t.failures??0)+1,t.state="waiting",t.retryAt=s+(n??Math.min(3e4,500*2**Math.min(t.failures,8)))}refuse(t,n){t.state="refused",t.error={code:n.code,message:n.message}}repair(t,n){for(let s of this.items){let i=n-(s.acceptedAt??0)<=6e4;s.state==="accepted"&&i&&!t.has(s.cid)&&(s.state="waiting")}}expire(t){let n=this.items.length;return this.items=this.items.filter(s=>s.state!=="accepted"||t-(s.acceptedAt??0)<=6e4),this.items.length!==n}};function vt(e){return{...e,state:"refused",error:{code:"expired",message:""}}}var Tt=1e4,It=3e3,Lt=1e4,Nt=50,O=class{expectSnapshot=!0;resumable=!0;oldestId=void 0;constructor({newId:t,agent:n,name:s,client:i,saved:o=[],now:a}){this.newId=t,this.agent=n,this.client=i,this.sessionId=s,this.outbox=new S(o,a),this.view=null,this.phase="away",this.userId="",this.commands=new Map,this.scores=new Map,this.limits={message_chars:16e3},this.loadingOlder=!1,this.typing=null,this.liveSince=0,this.drainMs=0,this.heartbeatMs=25e3,this.lastFrameAt=0,this.credential={},this.openCid="",this.openedAt=0,this.reopenAt=null,this.gaps=0,this.pinged=!1,this.probeSince=null,this.actions=[]}connected(t,n){return this.credential=n,this.lastFrameAt=t,this.pinged=!1,this.probeSince=null,this.drainMs=0,this.gaps=0,this.outbox.rewind(),this.#p(t),this.#c()}disconnected(t){this.phase="away",this.reopenAt=null,this.typing=null,this.loadingOlder=!1;for(let[s,i]of this.commands)i.type==="history.get"&&this.commands.delete(s);let n=this.outbox.items.find(s=>s.state==="sent");return t===1009&&n!==void 0&&(this.outbox.refuse(n,{code:"too_large",message:""}),this.#n({kind:"save"})),this.#c()}received(t,n){this.lastFrameAt=n,this.pinged=!1,this.probeSince=null;for(let s of Ct(t))this.#e(s,n);return this.#c()}tick(t){return this.phase!=="away"&&this.phase!=="stopped"&&this.#_(t),this.outbox.expire(t)&&this.#n({kind:"save"}),this.#h(t),this.#c()}wake(t){return this.phase!=="away"&&this.phase!=="stopped"&&this.probeSince===null&&(this.probeSince=t,this.#l({type:"ping",t})),this.#c()}stop(){this.phase="stopped"}say(t,n){let s={cid:this.newId(),text:t,createdAt:n,state:"waiting"};return this.agent!==void 0&&(s.agent=this.agent),this.outbox.add(s),this.#n({kind:"save"}),this.#h(n),this.#c()}discard(t){let n=this.outbox.find(t)?.text??"";return this.outbox.remove(t),this.#n({kind:"save"}),{text:n,actions:this.#c()}}cancel(t){return this.#f({type:"turn.cancel",turn_id:t})}retry(t){return this.#f({type:"turn.retry",turn_id:t})}respond(t,n){return this.#f({type:"approval.respond",approval_id:t,approved:n})}rate(t,n){return this.scores.set(t,n),this.#f({type:"feedback.create",message_id:t,score:n})}loadOlder(){return this.phase!=="live"||this.loadingOlder||!this.view?.more||this.oldestId===void 0?[]:(this.loadingOlder=!0,this.#f({type:"history.get",before:this.oldestId,limit:Nt}))}isPending(t,n){return[...this.commands.values()].some(s=>s.type===t&&s.turn_id===n)}#e(t,n){if(!ye.has(t.type)){Number.isInteger(t.seq)&&t.session_id===this.sessionId&&this.#r(t,n);return}switch(t.type){case"session.opened":return this.#t(t,n);case"session.snapshot":return this.#i(t,n);case"session.live":return this.#s(n);case"session.erased":return this.view=null,this.outbox.items=[],this.#n({kind:"save"});case"ok":return this.#a(t,n);case"error":return this.#u(t,n);case"history":return this.#m(t);case"typing":this.typing=t.on&&t.by!==this.userId?t.by:null;return;case"ping":return this.#l(t.t===void 0?{type:"pong"}:{type:"pong",t:t.t});case"server.draining":this.drainMs=Number(t.reconnect_in_ms)||0;return;default:return}}#t(t,n){t.re!==void 0&&t.re!==this.openCid||(this.sessionId=t.session_id,this.userId=t.user_id??this.userId,this.heartbeatMs=t.heartbeat?.interval_ms??this.heartbeatMs,this.limits={...this.limits,...t.limits},this.phase="catching-up",this.expectSnapshot=!t.recovered,t.recovered&&t.epoch!==this.view?.epoch&&this.#g(n,!0))}#i(t,n){if(t.session_id!==this.sessionId)return;let s=this.view!==null&&this.view.epoch!==t.epoch;this.view=Me(t,this.view),this.expectSnapshot=!1,this.resumable=!0,this.loadingOlder=!1,this.oldestId=this.view.messages[0]?.message_id,s&&(this.outbox.repair(new Set(this.view.messages.flatMap(i=>i.re??[])),n),this.#h(n))}#s(t){if(this.phase==="catching-up"){this.phase="live",this.liveSince=t;for(let n of this.commands.values())this.#l({...n,session_id:this.sessionId});this.#h(t)}}#r(t,n){let s=this.view;if(!(s===null||this.expectSnapshot||t.seq<=s.seq)){if(t.seq!==s.seq+1){this.phase!=="opening"&&this.#g(n,this.gaps>=2);return}if(!Ue(s,t))return this.#g(n,!0);this.phase==="live"&&(this.gaps=0),t.type==="session.merged"&&this.#b(t.into,n)}}#a(t,n){this.commands.delete(t.re);let s=this.outbox.find(t.re);s!==void 0&&(this.outbox.accept(s,t.turn_id,n),this.#n({kind:"save"}),this.#h(n))}#u(t,n){if(t.re!==void 0&&t.re===this.openCid&&this.phase==="opening")return this.#d(t,n);let s=this.outbox.find(t.re);if(s!==void 0)return this.#o(s,t,n);let i=this.commands.get(t.re);if(i!==void 0)return this.commands.delete(t.re),i.type==="history.get"&&(this.loadingOlder=!1),i.type==="feedback.create"&&this.scores.delete(i.message_id),this.#n({kind:"notice",code:t.code,message:t.message})}#o(t,n,s){return n.code==="moved"&&n.session_id&&n.session_id!==this.sessionId?(t.state="waiting",this.#b(n.session_id,s)):(n.retryable?this.outbox.postpone(t,n.retry_after_ms,s):this.outbox.refuse(t,{code:n.code,message:n.message}),this.#n({kind:"save"}),this.#h(s))}#d(t,n){if(t.retryable){this.reopenAt=n+Math.min(t.retry_after_ms??1e3,3e3);return}if(t.code==="not_found"&&this.view!==null)return this.view=null,this.sessionId=void 0,this.#p(n);this.#n({kind:"notice",code:t.code,message:t.message}),t.code==="unauthorized"&&this.#n({kind:"renew"})}#m(t){let n=this.commands.get(t.re);this.commands.delete(t.re),this.loadingOlder=!1;let s=this.view;if(s===null||n===void 0||this.oldestId!==n.before)return;this.oldestId=t.messages[0]?.message_id??this.oldestId;let i=new Set(s.messages.map(a=>a.message_id)),o=t.messages.filter(a=>!i.has(a.message_id)&&a.replaced_by===void 0);s.messages.unshift(...o),s.more=!!t.more&&t.messages.length>0}#p(t){this.phase="opening",this.openedAt=t,this.reopenAt=null,this.openCid=this.newId();let n={type:"session.open",cid:this.openCid,...this.credential,channel:"web"};this.sessionId!==void 0&&(n.session_id=this.sessionId),this.view!==null&&this.resumable&&(n.resume={epoch:this.view.epoch,seq:this.view.seq}),this.client!==void 0&&(n.client=this.client),this.#l(n)}#g(t,n){this.gaps+=1,n&&(this.resumable=!1),this.#p(t)}#b(t,n){this.sessionId=t,this.view=null,this.#p(n)}#_(t){let n=t-this.lastFrameAt;if(this.probeSince!==null&&t-this.probeSince>=It)return this.#n({kind:"close",why:"probe"});if(n>=this.heartbeatMs+Lt)return this.#n({kind:"close",why:"silence"});n>=this.heartbeatMs&&!this.pinged&&(this.pinged=!0,this.#l({type:"ping",t})),this.reopenAt!==null&&t>=this.reopenAt?this.#p(t):this.phase==="opening"&&this.reopenAt===null&&t-this.openedAt>=Tt&&this.#n({kind:"close",why:"open"})}#h(t){if(this.phase!=="live")return;let n=this.outbox.next(t);if(n===void 0)return;n.state="sent";let s={type:"message.send",cid:n.cid,session_id:this.sessionId,content:n.text};n.agent!==void 0&&(s.agent=n.agent),this.#l(s)}#f(t){let n={...t,cid:this.newId(),session_id:this.sessionId};return this.commands.set(n.cid,n),this.phase==="live"&&this.#l(n),this.#c()}#l(t){this.#n({kind:"send",frame:t})}#n(t){this.actions.push(t)}#c(){let t=this.actions;return this.actions=[],t}};function Ct(e){let t;try{t=JSON.parse(e)}catch{return[]}return(Array.isArray(t)?t:[t]).filter(n=>typeof n=="object"&&n!==null&&typeof n.type=="string")}var St={chat:"Chat",conversation:"Conversation",greeting:"How can I help?",greetingHint:"Ask a question, or begin with one of these.",greetingBare:"Write a message to begin.",placeholder:"Write a message",send:"Send message",stop:"Stop the answer",stopping:"Stopping…",open:"Open chat",openUnread:"Open chat, new answer",close:"Close chat",themeAuto:"Colours: as the system",themeLight:"Colours: light",themeDark:"Colours: dark",offlineBadge:"offline demo",offlineHint:"No language model is connected. Answers come from a built-in demo.",online:"Online",connecting:"Connecting…",reconnecting:"Reconnecting…",away:"No connection. Your messages wait and are sent when it is back.",you:"You said",agent:"{title} answered",operator:"The team said",team:"Team",thinking:"Thinking",writing:"Writing",waitingTurn:"Waiting for its turn",recovered:"Picked up where it stopped",parked:"Waiting for approval",sending:"Sending…",unsent:"Will be sent when you are back online",postponed:"Trying again soon",refused:"Not sent",expired:"Not sent: it waited for too long. Send it again if you still want an answer.",resend:"Send again",discard:"Discard",queued:"Waits for the answer above",unqueue:"Take back",stopped:"Stopped",noAnswer:"This message got no answer.",failedPart:"The answer broke off.",retry:"Try again",again:"Answer again",copy:"Copy",copied:"Copied",copyCode:"Copy code",good:"Good answer",bad:"Bad answer",thanks:"Thank you for telling us.",sources:"Sources",table:"Table, scrolls sideways",code:"Code",image:"Image",arguments:"Asked for",result:"Result",toolRunning:"running",toolDone:"done",toolFailed:"failed",approve:"Approve",decline:"Decline",approvalUser:"This step needs your approval.",approvalOperator:"This step waits for somebody of the team.",older:"Show earlier messages",loading:"Loading…",newest:"Jump to the newest messages",newMessages:"New messages",tooLong:"{count} of {limit} characters: please shorten the message.",typing:"Somebody of the team is typing…",tokens:"{count} tokens",fromCache:"from cache",tryNow:"Try now",answerStarts:"The answer is being written.",stopUnauthorized:"You are not signed in any more. Reload the page to sign in again.",stopForbidden:"This page may not use the chat. Tell whoever runs the site.",stopErased:"This conversation was deleted. Reload the page to begin a new one.",stopConnections:"The chat is open in too many windows. Close some of them, then try again.",stopFrames:"The chat and the server did not understand each other. Reload the page.",stopEnded:"The server ended the connection.",errBusy:"Too many messages wait already. Wait for an answer, then try again.",errRateLimited:"That was too fast. Wait a moment, then try again.",errBudget:"The budget for answers is used up. Try again later, or tell whoever runs the site.",errContext:"This conversation is too long for the model. Ask in fewer words, or begin a new conversation.",errToolLoop:"The assistant went in circles. Ask in other words.",errTool:"A tool that the answer needs did not work. Try again in a moment.",errProvider:"The language model cannot be reached. Try again in a moment.",errBlocked:"The answer was held back by a content filter. Ask in other words.",errTooLarge:"The message is too long. Shorten it and send it again.",errNotFound:"That is not there any more.",errUnauthorized:"You are not allowed to do that. Sign in again.",errInvalid:"The server did not accept that. Check the message and send it again.",errInternal:"Something went wrong on our side. Try again in a moment."},Ot={chat:"Conversa",conversation:"Conversa",greeting:"Como posso ajudar?",greetingHint:"Faça uma pergunta ou comece por uma destas.",greetingBare:"Escreva uma mensagem para começar.",placeholder:"Escreva uma mensagem",send:"Enviar mensagem",stop:"Parar a resposta",stopping:"Parando…",open:"Abrir conversa",openUnread:"Abrir conversa, há uma resposta nova",close:"Fechar conversa",themeAuto:"Cores: como no sistema",themeLight:"Cores: claras",themeDark:"Cores: escuras",offlineBadge:"demonstração offline",offlineHint:"Nenhum modelo de linguagem está conectado. As respostas vêm de uma demonstração embutida.",online:"Conectado",connecting:"Conectando…",reconnecting:"Reconectando…",away:"Sem conexão. Suas mensagens ficam guardadas e serão enviadas quando ela voltar.",you:"Você disse",agent:"{title} respondeu",operator:"A equipe disse",team:"Equipe",thinking:"Pensando",writing:"Escrevendo",waitingTurn:"Aguardando a vez",recovered:"Retomado de onde parou",parked:"Aguardando aprovação",sending:"Enviando…",unsent:"Será enviada quando a conexão voltar",postponed:"Nova tentativa em instantes",refused:"Não enviada",expired:"Não enviada: esperou tempo demais. Envie de novo se ainda quiser a resposta.",resend:"Enviar de novo",discard:"Descartar",queued:"Aguarda a resposta acima",unqueue:"Desfazer",stopped:"Interrompida",noAnswer:"Esta mensagem ficou sem resposta.",failedPart:"A resposta foi interrompida por uma falha.",retry:"Tentar de novo",again:"Responder de novo",copy:"Copiar",copied:"Copiado",copyCode:"Copiar código",good:"Resposta boa",bad:"Resposta ruim",thanks:"Obrigado pela avaliação.",sources:"Fontes",table:"Tabela, rola para os lados",code:"Código",image:"Imagem",arguments:"Pedido",result:"Resultado",toolRunning:"em andamento",toolDone:"concluído",toolFailed:"falhou",approve:"Aprovar",decline:"Recusar",approvalUser:"Esta etapa precisa da sua aprovação.",approvalOperator:"Esta etapa aguarda alguém da equipe.",older:"Mostrar mensagens anteriores",loading:"Carregando…",newest:"Ir para as mensagens mais recentes",newMessages:"Novas mensagens",tooLong:"{count} de {limit} caracteres: encurte a mensagem.",typing:"Alguém da equipe está digitando…",tokens:"{count} tokens",fromCache:"do cache",tryNow:"Tentar agora",answerStarts:"A resposta está sendo escrita.",stopUnauthorized:"Sua sessão expirou. Recarregue a página para entrar de novo.",stopForbidden:"Esta página não pode usar a conversa. Avise quem cuida do site.",stopErased:"Esta conversa foi apagada. Recarregue a página para começar outra.",stopConnections:"A conversa está aberta em janelas demais. Feche algumas e tente de novo.",stopFrames:"A conversa e o servidor não se entenderam. Recarregue a página.",stopEnded:"O servidor encerrou a conexão.",errBusy:"Já há mensagens demais na fila. Espere uma resposta e tente de novo.",errRateLimited:"Rápido demais. Espere um momento e tente de novo.",errBudget:"O orçamento para respostas acabou. Tente mais tarde ou avise quem cuida do site.",errContext:"Esta conversa ficou longa demais para o modelo. Pergunte com menos palavras ou comece outra.",errToolLoop:"O assistente andou em círculos. Pergunte com outras palavras.",errTool:"Uma ferramenta de que a resposta precisa falhou. Tente de novo em instantes.",errProvider:"O modelo de linguagem não está acessível. Tente de novo em instantes.",errBlocked:"A resposta foi retida por um filtro de conteúdo. Pergunte com outras palavras.",errTooLarge:"A mensagem é longa demais. Encurte e envie de novo.",errNotFound:"Isso não existe mais.",errUnauthorized:"Você não tem permissão para isso. Entre de novo.",errInvalid:"O servidor não aceitou. Confira a mensagem e envie de novo.",errInternal:"Algo deu errado do nosso lado. Tente de novo em instantes."},Rt={chat:"Chat",conversation:"Conversación",greeting:"¿En qué puedo ayudar?",greetingHint:"Haz una pregunta o empieza con una de estas.",greetingBare:"Escribe un mensaje para empezar.",placeholder:"Escribe un mensaje",send:"Enviar mensaje",stop:"Detener la respuesta",stopping:"Deteniendo…",open:"Abrir chat",openUnread:"Abrir chat, hay una respuesta nueva",close:"Cerrar chat",themeAuto:"Colores: como el sistema",themeLight:"Colores: claros",themeDark:"Colores: oscuros",offlineBadge:"demo sin conexión",offlineHint:"No hay ningún modelo de lenguaje conectado. Las respuestas vienen de una demo incorporada.",online:"Conectado",connecting:"Conectando…",reconnecting:"Reconectando…",away:"Sin conexión. Tus mensajes quedan guardados y se enviarán cuando vuelva.",you:"Dijiste",agent:"{title} respondió",operator:"El equipo dijo",team:"Equipo",thinking:"Pensando",writing:"Escribiendo",waitingTurn:"Esperando su turno",recovered:"Retomado donde se detuvo",parked:"Esperando aprobación",sending:"Enviando…",unsent:"Se enviará cuando vuelva la conexión",postponed:"Nuevo intento en un momento",refused:"No enviado",expired:"No enviado: esperó demasiado. Envíalo de nuevo si aún quieres la respuesta.",resend:"Enviar de nuevo",discard:"Descartar",queued:"Espera la respuesta de arriba",unqueue:"Deshacer",stopped:"Detenida",noAnswer:"Este mensaje quedó sin respuesta.",failedPart:"La respuesta se cortó por un fallo.",retry:"Intentar de nuevo",again:"Responder de nuevo",copy:"Copiar",copied:"Copiado",copyCode:"Copiar código",good:"Buena respuesta",bad:"Mala respuesta",thanks:"Gracias por tu opinión.",sources:"Fuentes",table:"Tabla, se desplaza hacia los lados",code:"Código",image:"Imagen",arguments:"Solicitado",result:"Resultado",toolRunning:"en curso",toolDone:"listo",toolFailed:"falló",approve:"Aprobar",decline:"Rechazar",approvalUser:"Este paso necesita tu aprobación.",approvalOperator:"Este paso espera a alguien del equipo.",older:"Mostrar mensajes anteriores",loading:"Cargando…",newest:"Ir a los mensajes más recientes",newMessages:"Mensajes nuevos",tooLong:"{count} de {limit} caracteres: acorta el mensaje.",typing:"Alguien del equipo está escribiendo…",tokens:"{count} tokens",fromCache:"de la caché",tryNow:"Intentar ahora",answerStarts:"La respuesta se está escribiendo.",stopUnauthorized:"Tu sesión ha caducado. Recarga la página para entrar de nuevo.",stopForbidden:"Esta página no puede usar el chat. Avisa a quien lleva el sitio.",stopErased:"Esta conversación fue borrada. Recarga la página para empezar otra.",stopConnections:"El chat está abierto en demasiadas ventanas. Cierra algunas e inténtalo de nuevo.",stopFrames:"El chat y el servidor no se entendieron. Recarga la página.",stopEnded:"El servidor cerró la conexión.",errBusy:"Ya hay demasiados mensajes en espera. Espera una respuesta e inténtalo de nuevo.",errRateLimited:"Demasiado rápido. Espera un momento e inténtalo de nuevo.",errBudget:"El presupuesto para respuestas se agotó. Inténtalo más tarde o avisa a quien lleva el sitio.",errContext:"Esta conversación es demasiado larga para el modelo. Pregunta con menos palabras o empieza otra.",errToolLoop:"El asistente dio vueltas en círculo. Pregunta con otras palabras.",errTool:"Falló una herramienta que la respuesta necesita. Inténtalo de nuevo en un momento.",errProvider:"No se puede acceder al modelo de lenguaje. Inténtalo de nuevo en un momento.",errBlocked:"Un filtro de contenido retuvo la respuesta. Pregunta con otras palabras.",errTooLarge:"El mensaje es demasiado largo. Acórtalo y envíalo de nuevo.",errNotFound:"Eso ya no existe.",errUnauthorized:"No tienes permiso para eso. Entra de nuevo.",errInvalid:"El servidor no lo aceptó. Revisa el mensaje y envíalo de nuevo.",errInternal:"Algo salió mal de nuestro lado. Inténtalo de nuevo en un momento."},Dt={pt:Ot,en:St,es:Rt},Bt={expired:"expired",busy:"errBusy",rate_limited:"errRateLimited",budget_exceeded:"errBudget",context_overflow:"errContext",tool_loop:"errToolLoop",tool_failed:"errTool",provider_unavailable:"errProvider",content_blocked:"errBlocked",too_large:"errTooLarge",not_found:"errNotFound",unauthorized:"errUnauthorized",invalid_request:"errInvalid"};function A(e){return Bt[e??""]??"errInternal"}function Ke(e){for(let t of e){let n=t?.toLowerCase().split(/[-_]/)[0];if(n==="pt"||n==="en"||n==="es")return n}return"pt"}var R=class{constructor(t,n){this.language=t,this.locale=n}say(t,n={}){return Dt[this.language][t].replace(/\{(\w+)\}/g,(s,i)=>n[i]??s)}number(t,n){return new Intl.NumberFormat(this.locale,n).format(t)}date(t,n){return new Intl.DateTimeFormat(this.locale,n).format(t)}};var Pe=`/* The look of <prosa-chat>. Inside a shadow root: nothing of the page comes in but what is let in. */

:host {
  /* \`!important\` in the shadow tree is stronger than in the page (CSS Cascade 5, 6.3): hostile rules stay out. */
  all: initial !important;
  display: block !important;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", sans-serif !important;
  color: var(--ink) !important;
  -webkit-text-size-adjust: 100% !important;

  --surface: #fbfaf7;
  --raised: #ffffff;
  --sunken: #f3f1ec;
  --ink: #1d1c19;
  --soft: #64615a;
  --line: #e5e2db;
  --bad: #a8321f;
  --bad-soft: #fbeae6;
  --shadow: 0 1px 2px rgb(40 35 25 / 6%), 0 8px 28px rgb(40 35 25 / 10%);
  --said: color-mix(in srgb, var(--accent) 11%, var(--surface));
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace;
}
:host([mode="page"]) {
  position: fixed !important;
  inset: 0 !important;
  top: var(--visible-top, 0) !important;
  height: var(--visible-height, 100dvh) !important;
  background: var(--surface) !important;
}
:host(:not([mode="page"])) {
  position: fixed !important;
  inset: auto 0 0 auto !important;
  z-index: 2147483000 !important;
}
:host([data-theme="dark"]) {
  --surface: #181715;
  --raised: #22201d;
  --sunken: #211f1c;
  --ink: #ece9e2;
  --soft: #a9a499;
  --line: #34312c;
  --bad: #f0917f;
  --bad-soft: #3a211c;
  --shadow: 0 1px 2px rgb(0 0 0 / 30%), 0 10px 32px rgb(0 0 0 / 45%);
  --said: color-mix(in srgb, var(--accent-ink) 17%, var(--surface));
  color-scheme: dark;
}

*,
*::before,
*::after {
  box-sizing: border-box;
}
[hidden] {
  display: none !important;
}
h1,
h2,
h3,
p,
ul,
ol,
pre,
blockquote {
  margin: 0;
  padding: 0;
  font: inherit;
}
ul {
  list-style: none;
}
button,
textarea {
  font: inherit;
  color: inherit;
  background: none;
  border: 0;
  margin: 0;
  padding: 0;
}
button {
  cursor: pointer;
  -webkit-tap-highlight-color: transparent;
}
button[disabled] {
  cursor: default;
}
:focus-visible {
  outline: 2px solid var(--accent-ink);
  outline-offset: 2px;
}
.sr {
  position: absolute;
  width: 1px;
  height: 1px;
  overflow: hidden;
  clip-path: inset(50%);
  white-space: nowrap;
}
.icon {
  width: 1.25em;
  height: 1.25em;
  fill: none;
  stroke: currentcolor;
  stroke-width: 1.75;
  stroke-linecap: round;
  stroke-linejoin: round;
  flex: none;
  display: block;
}

/* ---------------------------------------------------------------- frame */

.shell {
  height: 100%;
  display: flex;
  flex-direction: column;
  background: var(--surface);
  color: var(--ink);
  overflow: hidden;
}
.body {
  flex: 1;
  min-height: 0;
  display: flex;
  flex-direction: column;
}
.head {
  display: flex;
  align-items: center;
  gap: 12px;
  padding: 10px max(16px, env(safe-area-inset-right)) 10px max(16px, env(safe-area-inset-left));
  padding-top: max(10px, env(safe-area-inset-top));
  border-bottom: 1px solid var(--line);
  flex: none;
}
.avatar {
  width: 36px;
  height: 36px;
  border-radius: 12px;
  background: var(--accent);
  color: var(--on-accent);
  display: grid;
  place-items: center;
  font-weight: 600;
  font-size: 17px;
  flex: none;
}
.who {
  flex: 1;
  min-width: 0;
}
.names {
  display: flex;
  align-items: center;
  gap: 8px;
  min-width: 0;
}
.title {
  font-weight: 600;
  font-size: 16px;
  line-height: 1.3;
  letter-spacing: -0.01em;
  white-space: nowrap;
  overflow: hidden;
  text-overflow: ellipsis;
}
.badge {
  font-size: 11.5px;
  line-height: 1;
  padding: 4px 7px;
  border-radius: 99px;
  background: var(--sunken);
  border: 1px solid var(--line);
  color: var(--soft);
  white-space: nowrap;
  flex: none;
}
.state {
  display: flex;
  align-items: center;
  gap: 6px;
  font-size: 12.5px;
  line-height: 1.35;
  color: var(--soft);
}
.state::before {
  content: "";
  width: 7px;
  height: 7px;
  border-radius: 50%;
  background: #c98a1b;
}
.state[data-state="online"]::before {
  background: #2f9e5b;
}
.state[data-state="stopEnded"]::before {
  background: var(--bad);
}
.quiet {
  width: 38px;
  height: 38px;
  border-radius: 10px;
  display: grid;
  place-items: center;
  color: var(--soft);
  flex: none;
}
.quiet.small {
  width: 28px;
  height: 28px;
}
.banner,
.notice {
  display: flex;
  align-items: center;
  justify-content: space-between;
  gap: 12px;
  font-size: 14px;
  line-height: 1.4;
  padding: 9px 16px;
  background: var(--sunken);
  border-bottom: 1px solid var(--line);
}
.banner.severe,
.notice {
  background: var(--bad-soft);
  color: var(--bad);
}
.notice {
  margin: 0 auto 8px;
  width: calc(100% - 32px);
  max-width: 736px;
  border: 0;
  border-radius: 12px;
}

/* ---------------------------------------------------------------- conversation */

.logframe {
  flex: 1;
  min-height: 0;
  position: relative;
}
.scroller {
  height: 100%;
  overflow-y: auto;
  overflow-x: hidden;
  overflow-anchor: none;
  overscroll-behavior: contain;
  scrollbar-width: thin;
  scrollbar-color: var(--line) transparent;
}
.scroller:focus-visible {
  outline-offset: -3px;
}
.inner {
  max-width: 768px;
  min-height: 100%;
  margin: 0 auto;
  padding: 20px 16px 12px;
  display: flex;
  flex-direction: column;
}
.rows {
  display: flex;
  flex-direction: column;
  gap: 18px;
}
.row {
  max-width: 100%;
  min-width: 0;
}
.row.distant {
  content-visibility: auto;
  contain-intrinsic-size: auto 140px;
}
.older {
  align-self: center;
  margin-bottom: 18px;
}
.bubble {
  white-space: pre-wrap;
  overflow-wrap: anywhere;
  padding: 9px 14px;
  border-radius: 18px;
  max-width: min(85%, 560px);
}
.row.user {
  display: flex;
  flex-direction: column;
  align-items: flex-end;
}
.row.user .bubble {
  background: var(--said);
  border-bottom-right-radius: 6px;
}
.row.user.unsent .bubble {
  background: none;
  box-shadow: inset 0 0 0 1.5px var(--line);
}
.row.operator .bubble {
  background: var(--raised);
  border: 1px solid var(--line);
  border-bottom-left-radius: 6px;
  width: fit-content;
}
.saidby,
.saidstate {
  font-size: 12.5px;
  color: var(--soft);
  margin: 4px 4px 0;
}
.saidby {
  margin: 0 4px 4px;
}
.saidstate {
  display: flex;
  flex-wrap: wrap;
  justify-content: flex-end;
  gap: 0 12px;
  align-items: center;
}
.bad {
  color: var(--bad);
}
.faint {
  color: var(--soft);
}

/* ---------------------------------------------------------------- an answer */

.markdown {
  overflow-wrap: anywhere;
}
.markdown > * + * {
  margin-top: 0.75em;
}
.markdown h3 {
  font-weight: 650;
  line-height: 1.3;
  letter-spacing: -0.01em;
  text-wrap: balance;
}
.markdown > * + h3 {
  margin-top: 1.25em;
}
.markdown h3[data-level="1"] {
  font-size: 1.25em;
}
.markdown h3[data-level="2"] {
  font-size: 1.125em;
}
.markdown strong {
  font-weight: 650;
}
.markdown ul,
.markdown ol {
  padding-left: 1.5em;
}
.markdown ul {
  list-style: disc;
}
.markdown li + li,
.markdown li > ul,
.markdown li > ol {
  margin-top: 0.3em;
}
.markdown li::marker {
  color: var(--soft);
}
.markdown blockquote {
  border-left: 3px solid var(--line);
  padding-left: 14px;
  color: var(--soft);
}
.markdown hr {
  border: 0;
  border-top: 1px solid var(--line);
  margin-block: 1.25em;
}
.markdown a[href],
.sources a {
  color: var(--accent-ink);
  text-decoration: underline;
  text-decoration-thickness: 1px;
  text-underline-offset: 0.18em;
}
.markdown code,
pre {
  font-family: var(--mono);
  font-size: 0.86em;
}
.markdown :not(pre) > code {
  background: var(--sunken);
  border-radius: 5px;
  padding: 0.12em 0.35em;
}
.codeblock {
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--sunken);
  overflow: hidden;
}
.codebar {
  display: flex;
  align-items: center;
  justify-content: space-between;
  padding: 3px 4px 0 14px;
  font-size: 12px;
  color: var(--soft);
}
.codeblock pre {
  padding: 4px 14px 12px;
  overflow-x: auto;
  line-height: 1.5;
  overflow-wrap: normal;
}
.codeblock pre code {
  font-size: 1em;
}
.codeblock pre:focus-visible {
  outline-offset: -3px;
}
.scrolls {
  overflow-x: auto;
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--raised);
  width: fit-content;
  max-width: 100%;
  scrollbar-width: thin;
}
table {
  border-collapse: collapse;
  font-size: 0.925em;
  line-height: 1.4;
  font-variant-numeric: tabular-nums;
  overflow-wrap: normal;
}
th,
td {
  padding: 8px 14px;
  text-align: left;
  vertical-align: top;
  max-width: 320px;
}
th {
  font-weight: 600;
  white-space: nowrap;
  color: var(--soft);
  background: var(--sunken);
}
tbody tr {
  border-top: 1px solid var(--line);
}
td.number,
th.number {
  text-align: right;
  white-space: nowrap;
}
.progress {
  display: flex;
  align-items: center;
  gap: 9px;
  font-size: 13.5px;
  color: var(--soft);
  min-height: 28px;
}
.writing .progress {
  margin-top: 6px;
}
.dots {
  display: inline-flex;
  gap: 4px;
}
.dots i {
  width: 6px;
  height: 6px;
  border-radius: 50%;
  background: var(--accent-ink);
  animation: breathe 1.4s ease-in-out infinite;
}
.dots i:nth-child(2) {
  animation-delay: 0.16s;
}
.dots i:nth-child(3) {
  animation-delay: 0.32s;
}
@keyframes breathe {
  0%,
  70%,
  100% {
    opacity: 0.28;
  }
  35% {
    opacity: 1;
  }
}
.fault {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 8px 14px;
  margin-top: 10px;
  padding: 10px 14px;
  border-radius: 12px;
  font-size: 14.5px;
  line-height: 1.45;
  background: var(--bad-soft);
  color: var(--bad);
}
.fault.calm {
  background: none;
  color: var(--soft);
  padding: 0;
}
.fault > span {
  flex: 1 1 auto;
}
.fault.calm > span {
  flex: none;
}
.foot {
  display: flex;
  flex-wrap: wrap;
  align-items: center;
  gap: 2px;
  margin: 6px 0 0 -8px;
  color: var(--soft);
}
.tiny {
  width: 32px;
  height: 32px;
  border-radius: 8px;
  display: grid;
  place-items: center;
  color: var(--soft);
  font-size: 14px;
}
.tiny[aria-pressed="true"] {
  color: var(--accent-ink);
  background: var(--said);
}
.meta {
  font-size: 12.5px;
  font-variant-numeric: tabular-nums;
  margin-left: 8px;
}
.sources {
  margin-top: 10px;
  padding-left: 1.6em;
  font-size: 0.875em;
  color: var(--soft);
}

/* ---------------------------------------------------------------- tools and approvals */

.tools {
  display: flex;
  flex-direction: column;
  gap: 6px;
  margin-bottom: 12px;
}
.tool {
  border: 1px solid var(--line);
  border-radius: 12px;
  background: var(--raised);
  font-size: 13.5px;
  line-height: 1.45;
}
.toolline {
  display: flex;
  align-items: baseline;
  gap: 8px;
  padding: 8px 12px;
  list-style: none;
}
summary.toolline {
  cursor: pointer;
  border-radius: 12px;
}
summary::-webkit-details-marker {
  display: none;
}
.mark {
  align-self: center;
  color: var(--accent-ink);
  flex: none;
  display: grid;
}
.tool[data-status="failed"] .mark {
  color: var(--bad);
}
.toolname {
  font-weight: 600;
  flex: none;
  max-width: 45%;
}
.outcome {
  color: var(--soft);
  overflow-wrap: anywhere;
  min-width: 0;
}
.turns {
  margin-left: auto;
  align-self: center;
  color: var(--soft);
  transition: rotate 0.15s;
}
details[open] .turns {
  rotate: 90deg;
}
.toolbody {
  padding: 0 12px 12px;
}
.blockname {
  color: var(--soft);
  font-size: 12.5px;
  margin: 6px 0 4px;
}
.toolbody pre,
.approval pre {
  background: var(--sunken);
  border-radius: 8px;
  padding: 8px 12px;
  max-height: 220px;
  overflow: auto;
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.spinner {
  width: 14px;
  height: 14px;
  border-radius: 50%;
  border: 2px solid var(--line);
  border-top-color: var(--accent-ink);
  animation: turn 0.9s linear infinite;
}
@keyframes turn {
  to {
    rotate: 360deg;
  }
}
.approval {
  border: 1px solid var(--line);
  border-left: 3px solid var(--accent);
  border-radius: 12px;
  background: var(--raised);
  padding: 12px 14px;
  margin-top: 10px;
  font-size: 14.5px;
}
.approvalname {
  font-weight: 600;
}
.choices {
  display: flex;
  gap: 8px;
  margin-top: 10px;
}
.plain,
.solid,
.starter {
  display: inline-flex;
  align-items: center;
  gap: 7px;
  padding: 7px 14px;
  min-height: 36px;
  border-radius: 10px;
  font-size: 14px;
  line-height: 1.3;
  border: 1px solid var(--line);
  background: var(--raised);
  color: var(--ink);
  text-align: left;
}
.solid {
  background: var(--accent);
  border-color: var(--accent);
  color: var(--on-accent);
}
.link {
  color: var(--accent-ink);
  text-decoration: underline;
  text-underline-offset: 0.18em;
  padding: 3px 0;
  min-height: 24px;
  flex: none;
}
.banner.severe .link {
  color: inherit;
}

/* ---------------------------------------------------------------- empty */

.empty {
  margin: auto 0;
  padding: 12px 0 24px;
  text-align: center;
}
.greeting {
  font-size: 1.6em;
  line-height: 1.25;
  font-weight: 620;
  letter-spacing: -0.02em;
  text-wrap: balance;
  margin-bottom: 6px;
}
.starters {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(240px, 1fr));
  gap: 10px;
  margin-top: 26px;
}
.starter {
  width: 100%;
  height: 100%;
  padding: 13px 16px;
  border-radius: 14px;
  font-size: 15px;
  line-height: 1.4;
}

/* ---------------------------------------------------------------- writing */

.jump {
  position: absolute;
  bottom: 10px;
  left: 50%;
  translate: -50% 0;
  display: flex;
  align-items: center;
  gap: 6px;
  min-height: 36px;
  padding: 0 9px;
  border-radius: 99px;
  background: var(--raised);
  border: 1px solid var(--line);
  box-shadow: var(--shadow);
  font-size: 13.5px;
  color: var(--ink);
}
.jump span:not(:empty) {
  padding-right: 6px;
}
.typing {
  max-width: 768px;
  width: 100%;
  margin: 0 auto;
  padding: 0 20px;
  font-size: 13px;
  color: var(--soft);
}
.composer {
  max-width: 768px;
  width: 100%;
  margin: 0 auto;
  padding: 6px 16px max(14px, env(safe-area-inset-bottom));
  flex: none;
}
.field {
  display: flex;
  align-items: flex-end;
  gap: 6px;
  padding: 6px;
  border-radius: 22px;
  background: var(--raised);
  border: 1px solid var(--line);
  box-shadow: 0 1px 2px rgb(40 35 25 / 5%), 0 4px 16px rgb(40 35 25 / 5%);
}
.field:focus-within {
  border-color: color-mix(in srgb, var(--accent-ink) 55%, var(--line));
}
textarea {
  flex: 1;
  min-width: 0;
  resize: none;
  padding: 7px 4px 7px 12px;
  /* At least 16px, or iOS zooms in on focus. */
  font-size: 16px;
  line-height: 1.5;
  max-height: 200px;
  outline: none;
  overflow-y: auto;
  scrollbar-width: thin;
}
textarea::placeholder {
  color: var(--soft);
  opacity: 1;
}
.round {
  width: 38px;
  height: 38px;
  border-radius: 50%;
  display: grid;
  place-items: center;
  flex: none;
}
.send {
  background: var(--accent);
  color: var(--on-accent);
  transition: background 0.15s;
}
.send[disabled] {
  background: var(--sunken);
  color: var(--soft);
}
.stop {
  background: var(--sunken);
  color: var(--ink);
}
.stop .icon {
  fill: currentcolor;
}
.stop[disabled] {
  opacity: 0.5;
}
.limit {
  font-size: 13px;
  color: var(--bad);
  padding: 0 12px;
}
.limit:not(:empty) {
  padding-top: 6px;
}

@media (hover: hover) {
  .quiet:hover,
  .tiny:hover {
    background: var(--sunken);
    color: var(--ink);
  }
  .plain:hover,
  .starter:hover,
  .jump:hover {
    border-color: color-mix(in srgb, var(--accent-ink) 45%, var(--line));
    background: var(--said);
  }
  .foot .meta {
    opacity: 0.85;
  }
}

/* ---------------------------------------------------------------- bubble */

.bubbleframe {
  display: block;
}
.launcher {
  position: fixed;
  right: max(20px, env(safe-area-inset-right));
  bottom: max(20px, env(safe-area-inset-bottom));
  width: 58px;
  height: 58px;
  border-radius: 50%;
  display: grid;
  place-items: center;
  background: var(--accent);
  color: var(--on-accent);
  box-shadow: var(--shadow);
  font-size: 21px;
}
.launcher:focus-visible {
  outline-offset: 3px;
}
.unread {
  position: absolute;
  top: 2px;
  right: 2px;
  width: 14px;
  height: 14px;
  border-radius: 50%;
  background: #e0533d;
  border: 2px solid #fff;
}
.panel {
  position: fixed;
  right: max(20px, env(safe-area-inset-right));
  bottom: calc(max(20px, env(safe-area-inset-bottom)) + 70px);
  width: min(410px, calc(100vw - 40px));
  height: min(660px, calc(100dvh - 120px));
  border-radius: 20px;
  overflow: hidden;
  border: 1px solid var(--line);
  background: var(--surface);
  box-shadow: var(--shadow);
}
.panel .starters {
  grid-template-columns: 1fr;
}
.panel .greeting {
  font-size: 1.4em;
}
@media (max-width: 520px) {
  .panel {
    inset: 0;
    top: var(--visible-top, 0);
    bottom: auto;
    width: 100%;
    height: var(--visible-height, 100dvh);
    border: 0;
    border-radius: 0;
  }
  .launcher.opened {
    display: none;
  }
  .tool .toolline {
    flex-wrap: wrap;
  }
  .toolname {
    max-width: 80%;
  }
  .outcome {
    flex-basis: 100%;
    order: 5;
  }
}
@media (prefers-reduced-motion: reduce) {
  *,
  *::before,
  *::after {
    animation-duration: 3s !important;
    transition: none !important;
    scroll-behavior: auto !important;
  }
  .spinner {
    animation: none;
  }
  .dots i {
    animation: none;
  }
}
@media (forced-colors: active) {
  .field,
  .bubble,
  .launcher,
  .round {
    border: 1px solid;
  }
}
`;var D=class{constructor(t,n,s){this.words=t,this.focusInside=s,this.seen=null,this.answers=0,this.launcher=r("button",{type:"button",class:"launcher","aria-expanded":"false","aria-label":t.say("open"),onclick:()=>this.toggle()},f("chat"),r("span",{class:"unread",hidden:!0})),this.panel=r("div",{class:"panel",role:"dialog","aria-label":t.say("chat"),hidden:!0,onkeydown:i=>this.#t(i)},n),this.element=r("aside",{class:"bubbleframe","aria-label":t.say("chat")},this.panel,this.launcher)}toggle(){this.panel.hidden?this.open():this.close()}open(){this.panel.hidden=!1,this.#e(),this.focusInside()}close(){this.panel.hidden=!0,this.#e(),this.launcher.focus({preventScroll:!0})}update({answers:t,live:n}){this.answers=t,this.seen===null&&n&&(this.seen=t),this.#e()}#e(){let t=!this.panel.hidden;t&&(this.seen=this.answers);let n=this.seen!==null&&this.answers>this.seen;this.launcher.setAttribute("aria-expanded",String(t)),this.launcher.setAttribute("aria-label",this.words.say(t?"close":n?"openUnread":"open")),this.launcher.classList.toggle("opened",t);let s=this.launcher.querySelector(".unread");s instanceof HTMLElement&&(s.hidden=!n)}#t(t){t.key!=="Escape"||t.isComposing||(t.stopPropagation(),this.close())}};var Ut=200,B=class{constructor(t,{send:n,stop:s}){this.words=t,this.send=n,this.limit=1/0,this.input=r("textarea",{rows:"1",placeholder:t.say("placeholder"),"aria-label":t.say("placeholder"),"aria-describedby":"limit",dir:"auto",enterkeyhint:"send",oninput:()=>this.#i(),onkeydown:i=>this.#t(i)}),this.stopButton=g("stop",t.say("stop"),{class:"round stop",hidden:!0,onclick:s}),this.sendButton=g("send",t.say("send"),{class:"round send",onclick:()=>this.#e()}),this.note=r("p",{class:"limit",id:"limit",role:"status"}),this.element=r("div",{class:"composer"},r("div",{class:"field"},this.input,this.stopButton,this.sendButton),this.note),this.#i()}update({running:t,stopping:n,limit:s}){this.limit=s,!t&&this.stopButton.contains(this.#s())&&this.input.focus(),this.stopButton.hidden=!t,this.stopButton.toggleAttribute("disabled",n)}focus(){this.input.focus({preventScroll:!0})}giveBack(t){this.input.value=[t,this.input.value].filter(n=>n!=="").join(`
`),this.#i(),this.focus()}#e(){let t=Ne(this.input.value);t===""||w(t)>this.limit||(this.input.value="",this.#i(),this.send(t),this.focus())}#t(t){let n=t.isComposing||t.keyCode===229;t.key!=="Enter"||t.shiftKey||n||(t.preventDefault(),this.#e())}#i(){let{input:t}=this;t.style.height="auto",t.style.height=`${Math.min(t.scrollHeight,Ut)}px`;let n=w(t.value),s={count:this.words.number(n),limit:this.words.number(this.limit)},i=n>this.limit;p(this.note,i?this.words.say("tooLong",s):""),this.sendButton.toggleAttribute("disabled",i||t.value.trim()==="")}#s(){let t=this.element.getRootNode();return t instanceof ShadowRoot?t.activeElement:null}};var Fe="prosa.theme",M=["auto","light","dark"],Ht={auto:{shape:"auto",label:"themeAuto"},light:{shape:"sun",label:"themeLight"},dark:{shape:"moon",label:"themeDark"}},U=class{constructor(t,{title:n,isPage:s,close:i,themed:o}){this.words=t,this.themed=o,this.theme=M.find(a=>a===I(Fe))??"auto",this.title=r(s?"h1":"h2",{class:"title"},n),this.initial=r("span",{class:"avatar","aria-hidden":"true"},n.slice(0,1)),this.state=r("span",{class:"state",role:"status"}),this.badge=r("span",{class:"badge",hidden:!0,title:t.say("offlineHint")},t.say("offlineBadge")),this.themeButton=g("auto","",{class:"quiet",onclick:()=>this.#e()}),this.closeButton=g("cross",t.say("close"),{class:"quiet",hidden:s,onclick:i}),this.element=r("header",{class:"head"},this.initial,r("div",{class:"who"},r("div",{class:"names"},this.title,this.badge),this.state),this.themeButton,this.closeButton),this.#t()}update({title:t,state:n,offline:s}){p(this.title,t),p(this.initial,t.slice(0,1)),p(this.state,this.words.say(n)),this.state.dataset.state=n,this.badge.hidden=!s}#e(){this.theme=M[(M.indexOf(this.theme)+1)%M.length]??"auto",_(Fe,this.theme==="auto"?null:this.theme),this.#t(),this.themed()}#t(){let{shape:t,label:n}=Ht[this.theme];this.themeButton.replaceChildren(f(t)),this.themeButton.setAttribute("aria-label",this.words.say(n)),this.themeButton.title=this.words.say(n)}};var qt=new Set(["http:","https:","mailto:","tel:"]);function H(e){let t;try{t=new URL(e.trim())}catch{return null}return qt.has(t.protocol)?t.href:null}var G=1,de=2,ce=4,le=8,ue=16;var Gt=e=>{switch(e){case 1:return 3;case 2:return 4;case 3:return 5;case 4:return 6;case 5:return 7;default:return 8}},Kt=Gt;var ze=24;function he(e){let t=new Uint32Array(ze);return t[0]=1,{renderer:e,text:"",pending:"",tokens:t,len:0,token:1,fence_end:0,blockquote_idx:0,hr_char:"",hr_chars:0,fence_start:0,spaces:new Uint8Array(ze),indent:"",indent_len:0,table_state:0}}function je(e){e.pending.length>0&&h(e,`
`)}function c(e){e.text.length!==0&&(console.assert(e.len>0,"Never adding text to root"),e.renderer.add_text(e.renderer.data,e.text),e.text="")}function u(e){console.assert(e.len>0,"No nodes to end"),e.len-=1,e.token=e.tokens[e.len],e.renderer.end_token(e.renderer.data)}function l(e,t){(e.tokens[e.len]===24||e.tokens[e.len]===23)&&t!==25&&u(e),e.len+=1,e.tokens[e.len]=t,e.token=t,e.renderer.add_token(e.renderer.data,t)}function Pt(e,t,n){for(;n<=e.len;){if(e.tokens[n]===t)return n;n+=1}return-1}function x(e,t){for(e.fence_start=0;e.len>t;)u(e)}function q(e,t){let n=0;for(let s=0;s<=e.len&&(t-=e.spaces[s],!(t<0));s+=1)switch(e.tokens[s]){case 9:case 10:case 20:case 25:n=s;break}for(;e.len>n;)u(e);return t}function oe(e,t){let n=-1,s=-1;for(let i=e.blockquote_idx+1;i<=e.len;i+=1)if(e.tokens[i]===25){if(e.indent_len<e.spaces[i]){s=-1;break}s=i}else e.tokens[i]===t&&(n=i);return s===-1?n===-1?(x(e,e.blockquote_idx),l(e,t),!0):(x(e,n),!1):(x(e,s),l(e,t),!0)}function re(e,t){l(e,25),e.spaces[e.len]=e.indent_len+t,m(e),e.token=103}function m(e){e.indent="",e.indent_len=0,e.pending=""}function ae(e){switch(e){case 48:case 49:case 50:case 51:case 52:case 53:case 54:case 55:case 56:case 57:return!0;default:return!1}}function Ft(e){switch(e){case 32:case 58:case 59:case 41:case 44:case 33:case 46:case 63:case 93:case 10:return!0;default:return!1}}function zt(e){return ae(e)||Ft(e)}function h(e,t){for(let n of t){if(e.token===101){switch(n){case" ":e.indent_len+=1;continue;case"	":e.indent_len+=4;continue}let i=q(e,e.indent_len);e.indent_len=0,e.token=e.tokens[e.len],i>0&&h(e," ".repeat(i))}let s=e.pending+n;switch(e.token){case 21:case 1:case 20:case 24:case 23:switch(console.assert(e.text.length===0,"Root should not have any text"),e.pending[0]){case void 0:e.pending=n;continue;case" ":console.assert(e.pending.length===1),e.pending=n,e.indent+=" ",e.indent_len+=1;continue;case"	":console.assert(e.pending.length===1),e.pending=n,e.indent+="	",e.indent_len+=4;continue;case`
`:if(console.assert(e.pending.length===1),e.tokens[e.len]===25&&e.token===21){u(e),m(e),e.pending=n;continue}x(e,e.blockquote_idx),m(e),e.blockquote_idx=0,e.fence_start=0,e.pending=n;continue;case"#":switch(n){case"#":if(e.pending.length<6){e.pending=s;continue}break;case" ":q(e,e.indent_len),l(e,Kt(e.pending.length)),m(e);continue}break;case">":{let o=Pt(e,20,e.blockquote_idx+1);o===-1?(x(e,e.blockquote_idx),e.blockquote_idx+=1,e.fence_start=0,l(e,20)):e.blockquote_idx=o,m(e),e.pending=n;continue}case"-":case"*":case"_":if(e.hr_chars===0&&(console.assert(e.pending.length===1,"Pending should be one character"),e.hr_chars=1,e.hr_char=e.pending),e.hr_chars>0){switch(n){case e.hr_char:e.hr_chars+=1,e.pending=s;continue;case" ":e.pending=s;continue;case`
`:if(e.hr_chars<3)break;q(e,e.indent_len),e.renderer.add_token(e.renderer.data,22),e.renderer.end_token(e.renderer.data),m(e),e.hr_chars=0;continue}e.hr_chars=0}if(e.pending[0]!=="_"&&e.pending[1]===" "){oe(e,23),re(e,2),h(e,s.slice(2));continue}break;case"`":if(e.pending.length<3){if(n==="`"){e.pending=s,e.fence_start=s.length;continue}e.fence_start=0;break}switch(n){case"`":e.pending.length===e.fence_start?(e.pending=s,e.fence_start=s.length):(l(e,2),m(e),e.fence_start=0,h(e,s));continue;case`
`:{q(e,e.indent_len),l(e,10),e.pending.length>e.fence_start&&e.renderer.set_attr(e.renderer.data,ce,e.pending.slice(e.fence_start)),m(e),e.token=101;continue}default:e.pending=s;continue}case"+":if(n!==" ")break;oe(e,23),re(e,2);continue;case"0":case"1":case"2":case"3":case"4":case"5":case"6":case"7":case"8":case"9":if(e.pending[e.pending.length-1]==="."){if(n!==" ")break;oe(e,24)&&e.pending!=="1."&&e.renderer.set_attr(e.renderer.data,ue,e.pending.slice(0,-1)),re(e,e.pending.length+1);continue}else{let o=n.charCodeAt(0);if(o===46||ae(o)){e.pending=s;continue}}break;case"|":x(e,e.blockquote_idx),l(e,27),l(e,28),e.pending="",h(e,n);continue}let i=s;if(e.token===21)e.token=e.tokens[e.len],e.renderer.add_token(e.renderer.data,21),e.renderer.end_token(e.renderer.data);else if(e.indent_len>=4){let o=0;for(;o<4;o+=1)if(e.indent[o]==="	"){o=o+1;break}i=e.indent.slice(o)+s,l(e,9)}else l(e,2);m(e),h(e,i);continue;case 27:if(e.table_state===1)switch(n){case"-":case" ":case"|":case":":e.pending=s;continue;case`
`:e.table_state=2,e.pending="";continue;default:u(e),e.table_state=0;break}else switch(e.pending){case"|":l(e,28),e.pending="",h(e,n);continue;case`
`:u(e),e.pending="",e.table_state=0,h(e,n);continue}break;case 28:switch(e.pending){case"":break;case"|":l(e,29),u(e),e.pending="",h(e,n);continue;case`
`:u(e),e.table_state=Math.min(e.table_state+1,2),e.pending="",h(e,n);continue;default:l(e,29),h(e,n);continue}break;case 29:if(e.pending==="|"){c(e),u(e),e.pending="",h(e,n);continue}break;case 9:switch(s){case`
    `:case`
   	`:case`
  	`:case`
 	`:case`
	`:e.text+=`
`,e.pending="";continue;case`
`:case`
 `:case`
  `:case`
   `:e.pending=s;continue;default:e.pending.length!==0?(c(e),u(e),e.pending=n):e.text+=n;continue}case 10:switch(n){case"`":e.pending=s;continue;case`
`:if(s.length===e.fence_start+e.fence_end+1){c(e),u(e),e.pending="",e.fence_start=0,e.fence_end=0,e.token=101;continue}e.token=101;break;case" ":if(e.pending[0]===`
`){e.pending=s,e.fence_end+=1;continue}break}e.text+=e.pending,e.pending=n,e.fence_end=1;continue;case 11:switch(n){case"`":s.length===e.fence_start+ +(e.pending[0]===" ")?(c(e),u(e),e.pending="",e.fence_start=0):e.pending=s;continue;case`
`:e.text+=e.pending,e.pending="",e.token=21,e.blockquote_idx=0,c(e);continue;case" ":e.text+=e.pending,e.pending=n;continue;default:e.text+=s,e.pending="";continue}case 103:switch(e.pending.length){case 0:if(n!=="[")break;e.pending=s;continue;case 1:if(n!==" "&&n!=="x")break;e.pending=s;continue;case 2:if(n!=="]")break;e.pending=s;continue;case 3:if(n!==" ")break;e.renderer.add_token(e.renderer.data,26),e.pending[1]==="x"&&e.renderer.set_attr(e.renderer.data,le,""),e.renderer.end_token(e.renderer.data),e.pending=" ";continue}e.token=e.tokens[e.len],e.pending="",h(e,s);continue;case 14:case 15:{let o="*",a=12;if(e.token===15&&(o="_",a=13),o===e.pending){if(c(e),o===n){u(e),e.pending="";continue}l(e,a),e.pending=n;continue}break}case 12:case 13:{let o="*",a=14;switch(e.token===13&&(o="_",a=15),e.pending){case o:o===n?e.tokens[e.len-1]===a?e.pending=s:(c(e),l(e,a),e.pending=""):(c(e),u(e),e.pending=n);continue;case o+o:let d=e.token;c(e),u(e),u(e),o!==n?(l(e,d),e.pending=n):e.pending="";continue}break}case 16:if(s==="~~"){c(e),u(e),e.pending="";continue}break;case 105:n===`
`?(c(e),l(e,30),e.pending=""):(e.token=e.tokens[e.len],e.pending[0]==="\\"?e.text+="[":e.text+="$$",e.pending="",h(e,n));continue;case 30:if(s==="\\]"||s==="$$"){c(e),u(e),e.pending="";continue}break;case 31:if(s==="\\)"||e.pending[0]==="$"){c(e),u(e),n===")"?e.pending="":e.pending=n;continue}break;case 102:s==="http://"||s==="https://"?(c(e),l(e,18),e.pending=s,e.text=s):"http:/"[e.pending.length]===n||"https:/"[e.pending.length]===n?e.pending=s:(e.token=e.tokens[e.len],h(e,n));continue;case 17:case 19:if(e.pending==="]"){c(e),n==="("?e.pending=s:(u(e),e.pending=n);continue}if(e.pending[0]==="]"&&e.pending[1]==="("){if(n===")"){let o=e.token===17?G:de,a=e.pending.slice(2);e.renderer.set_attr(e.renderer.data,o,a),u(e),e.pending=""}else e.pending+=n;continue}break;case 18:n===" "||n===`
`||n==="\\"?(e.renderer.set_attr(e.renderer.data,G,e.pending),c(e),u(e),e.pending=n):(e.text+=n,e.pending=s);continue;case 104:if(s.startsWith("<br")){if(s.length===3||n===" "||n==="/"&&(s.length===4||e.pending[e.pending.length-1]===" ")){e.pending=s;continue}if(n===">"){c(e),e.token=e.tokens[e.len],e.renderer.add_token(e.renderer.data,21),e.renderer.end_token(e.renderer.data),e.pending="";continue}}e.token=e.tokens[e.len],e.text+="<",e.pending=e.pending.slice(1),h(e,n);continue}switch(e.pending[0]){case"\\":if(e.token===19||e.token===30||e.token===31)break;switch(n){case"(":c(e),l(e,31),e.pending="";continue;case"[":e.token=105,e.pending=s;continue;case`
`:e.pending=n;continue;default:let i=n.charCodeAt(0);e.pending="",e.text+=ae(i)||i>=65&&i<=90||i>=97&&i<=122?s:n;continue}case`
`:switch(e.token){case 19:case 30:case 31:break;case 3:case 4:case 5:case 6:case 7:case 8:c(e),x(e,e.blockquote_idx),e.blockquote_idx=0,e.pending=n;continue;default:c(e),e.pending=n,e.token=21,e.blockquote_idx=0;continue}break;case"<":if(e.token!==19&&e.token!==30&&e.token!==31){c(e),e.pending=s,e.token=104;continue}break;case"`":if(e.token===19)break;n==="`"?(e.fence_start+=1,e.pending=s):(e.fence_start+=1,c(e),l(e,11),e.text=n===" "||n===`
`?"":n,e.pending="");continue;case"_":case"*":{if(e.token===19||e.token===30||e.token===31||e.token===14)break;let i=12,o=14,a=e.pending[0];if(a==="_"&&(i=13,o=15),e.pending.length===1){if(a===n){e.pending=s;continue}if(n!==" "&&n!==`
`){c(e),l(e,i),e.pending=n;continue}}else{if(a===n){c(e),l(e,o),l(e,i),e.pending="";continue}if(n!==" "&&n!==`
`){c(e),l(e,o),e.pending=n;continue}}break}case"~":if(e.token!==19&&e.token!==16){if(e.pending==="~"){if(n==="~"){e.pending=s;continue}}else if(n!==" "&&n!==`
`){c(e),l(e,16),e.pending=n;continue}}break;case"$":if(e.token!==19&&e.token!==16&&e.pending==="$")if(n==="$"){e.token=105,e.pending=s;continue}else{if(zt(n.charCodeAt(0)))break;c(e),l(e,31),e.pending=n;continue}break;case"[":if(e.token!==19&&e.token!==17&&e.token!==30&&e.token!==31&&n!=="]"){c(e),l(e,17),e.pending=n;continue}break;case"!":if(e.token!==19&&n==="["){c(e),l(e,19),e.pending="";continue}break;case" ":if(e.pending.length===1&&n===" ")continue;break}if(e.token!==19&&e.token!==17&&e.token!==30&&e.token!==31&&n==="h"&&(e.pending===" "||e.pending==="")){e.text+=e.pending,e.pending=n,e.token=102;continue}e.text+=e.pending,e.pending=n}c(e)}var Ye="﷐",Ve="﷑",K=class{constructor(t){this.words=t,this.element=r("div",{class:"markdown"}),this.parser=he($e(this.element,t)),this.text="",this.held="",this.lastChar="",this.ended=!1}update(t){if(t===this.text)return;(this.ended||!t.startsWith(this.text))&&this.#t();let n=t.slice(this.text.length);this.text=t,this.#e(n)}end(){if(this.ended)return;this.ended=!0;let t=this.held;this.held="",t!==""&&h(this.parser,We(t,this.lastChar,"")),je(this.parser)}#e(t){let n=this.held+t,s=n.endsWith("_")?n.length-1:n.length,i=n.slice(0,s);this.held=n.slice(s),i!==""&&(h(this.parser,We(i,this.lastChar,this.held)),this.lastChar=i.at(-1)??"")}#t(){this.text="",this.held="",this.lastChar="",this.ended=!1,this.element.replaceChildren(),this.parser=he($e(this.element,this.words))}};function We(e,t,n){return(t+e+n).replace(/(?<=[\p{L}\p{N}])_(?=[\p{L}\p{N}])/gu,Ve).replaceAll("$",Ye).slice(t.length,t.length+e.length)}function Qe(e){return e.replaceAll(Ye,"$").replaceAll(Ve,"_")}function $e(e,t){let n=[e],s=()=>n.at(-1)??e;return{data:null,add_token:(i,o)=>{o!==1&&n.push(Tn(o,s(),t))},end_token:()=>{let i=n.length>1?n.pop():void 0;i!==void 0&&Cn(i)},add_text:(i,o)=>s().append(Qe(o)),set_attr:(i,o,a)=>Sn(s(),o,Qe(a))}}var vn={2:"p",11:"code",12:"em",13:"em",14:"strong",15:"strong",16:"s",17:"a",18:"a",20:"blockquote",21:"br",22:"hr",23:"ul",24:"ol",25:"li",30:"code",31:"code"},An={3:"1",4:"2",5:"3",6:"4",7:"4",8:"4"};function Tn(e,t,n){let s=An[e];if(s!==void 0)return T(t,r("h3",{"data-level":s}));switch(e){case 9:case 10:return In(t,n);case 27:return Ln(t,n);case 28:return Nn(t);case 29:return T(t,t.dataset.head==="yes"?r("th",{scope:"col"}):r("td"));case 26:return T(t,r("span",{class:"checkbox"},"☐ "));case 19:return T(t,r("a",{class:"image"},`${n.say("image")}: `));default:return T(t,r(vn[e]??"span"))}}function T(e,t){return e.append(t),t}function In(e,t){let n=r("code"),s=g("copy",t.say("copyCode"),{class:"tiny",onclick:async()=>{await N(n.textContent??"")&&s.replaceChildren(f("check"))}}),i=r("div",{class:"codebar"},r("span",{class:"language"}),s),o=r("pre",{tabindex:"0",role:"region","aria-label":t.say("code")},n);return e.append(r("div",{class:"codeblock"},i,o)),n}function Ln(e,t){let n=r("table",{},r("thead"),r("tbody"));return e.append(r("div",{class:"scrolls",tabindex:"0",role:"region","aria-label":t.say("table")},n)),n}function Nn(e){let[t,n]=e.children,s=t?.childElementCount===0,i=r("tr",s?{"data-head":"yes"}:{});return(s?t:n)?.append(i),i}function Cn(e){e.tagName==="A"&&!e.hasAttribute("href")&&e.dataset.refused===void 0&&(e.prepend("["),e.append("]")),e.tagName==="TD"&&/^[\s\-+−–R$€£%.,\d]*\d[\s%.,\d]*$/.test(e.textContent??"")&&e.classList.add("number")}function Sn(e,t,n){switch(t){case G:case de:{let s=H(n);if(s===null){e.dataset.refused="yes";return}e.setAttribute("href",s),e.setAttribute("target","_blank"),e.setAttribute("rel","noopener noreferrer nofollow");return}case ce:{let s=e.closest(".codeblock")?.querySelector(".language");s instanceof HTMLElement&&(s.textContent=n);return}case ue:/^\d{1,6}$/.test(n)&&e.setAttribute("start",n);return;case le:e.textContent="☑ ";return}}var On={running:"toolRunning",completed:"toolDone",failed:"toolFailed"},P=class{constructor(t){this.words=t,this.element=r("ul",{class:"tools",hidden:!0}),this.cards=new Map}update(t){this.element.hidden=t.length===0;let n=new Set(t.map(s=>s.call_id));for(let[s,i]of this.cards)n.has(s)||(i.item.remove(),this.cards.delete(s));for(let s of t)this.#e(s)}#e(t){let n=this.cards.get(t.call_id);if(n?.tool===t)return;let s=n?.item.querySelector("details")?.open??!1,i=r("li",{class:"tool","data-status":t.status},Rn(t,s,this.words));n===void 0?this.element.append(i):n.item.replaceWith(i),this.cards.set(t.call_id,{tool:t,item:i})}};function Rn(e,t,n){let s=e.status==="failed"?e.message:e.summary,i=[r("span",{class:"mark"},...Dn(e.status)),r("span",{class:"toolname"},e.title||e.name),r("span",{class:"sr"},` (${n.say(On[e.status])})`),s?r("span",{class:"outcome"},s):null],o=[...pe(n.say("arguments"),e.arguments),...pe(n.say("result"),e.result??e.code)];if(o.length===0)return r("div",{class:"toolline"},...i);let a=r("summary",{class:"toolline"},...i,r("span",{class:"turns"},f("chevron")));return r("details",{open:t},a,r("div",{class:"toolbody"},...o))}function Dn(e){return e==="running"?[r("span",{class:"spinner"})]:[f(e==="completed"?"check":"cross")]}function pe(e,t){if(t==null)return[];let n=typeof t=="string"?t:JSON.stringify(t,null,2);return[r("p",{class:"blockname"},e),r("pre",{tabindex:"0",role:"region","aria-label":e},n)]}function Je(e,t,n){return e.map(s=>{let i=s.approver==="user",o=r("div",{class:"choices"},r("button",{type:"button",class:"solid",onclick:()=>n(s.approval_id,!0)},t.say("approve")),r("button",{type:"button",class:"plain",onclick:()=>n(s.approval_id,!1)},t.say("decline")));return r("div",{class:"approval",role:"group","aria-label":s.title},r("p",{class:"approvalname"},s.title),r("p",{},s.reason),...pe(t.say("arguments"),s.arguments),r("p",{class:"faint"},t.say(i?"approvalUser":"approvalOperator")),i?o:null)})}var F=class{constructor(t){this.context=t;let{words:n}=t;this.markdown=new K(n),this.tools=new P(n),this.approvals=r("div",{class:"approvals"}),this.progressLabel=r("span",{class:"progresslabel"}),this.progress=r("div",{class:"progress"},Un(),this.progressLabel),this.fault=r("div",{class:"fault",hidden:!0}),this.sources=r("ol",{class:"sources",hidden:!0,"aria-label":n.say("sources")}),this.meta=r("span",{class:"meta"}),this.good=this.#d(1,"up","good"),this.bad=this.#d(-1,"down","bad"),this.again=g("again",n.say("again"),{class:"tiny",onclick:()=>t.retry(this.turnId)}),this.foot=r("div",{class:"foot",hidden:!0},this.#o(),this.good,this.bad,this.again,this.meta),this.element=r("article",{class:"row answer"},r("h2",{class:"sr"},n.say("agent",{title:t.title})),this.tools.element,this.markdown.element,this.approvals,this.progress,this.fault,this.sources,this.foot),this.row=null,this.turnId="",this.seenRunning=!1}update(t,n){let s=this.row?.running??!1;this.context=n,this.row=t,this.turnId=t.turnId,this.tools.update(t.details?.tools??[]),this.#e(t),this.#t(t),this.#i(t),this.#r(t),this.#a(t),this.#u(t),this.element.setAttribute("aria-busy",String(t.running)),t.running&&!this.seenRunning&&n.announce(n.words.say("answerStarts")),this.seenRunning||=t.running,s&&!t.running&&n.announce(Mn(this.markdown.element)||(this.fault.textContent??""))}#e(t){this.markdown.element.hidden=t.message===null,t.message!==null&&(this.markdown.update(k(t.message.content)),t.message.status!=="running"&&this.markdown.end())}#t(t){let n=t.approvals.map(s=>s.approval_id).join(" ");this.approvals.dataset.shown!==n&&(this.approvals.dataset.shown=n,this.approvals.replaceChildren(...Je(t.approvals,this.context.words,this.context.respond)))}#i(t){let n=t.message?.status==="running"&&t.message.content!=="";this.progress.hidden=!t.running,this.element.classList.toggle("writing",t.running&&n),t.running&&p(this.progressLabel,this.context.words.say(this.#s(t,n)))}#s(t,n){return this.context.session.isPending("turn.cancel",t.turnId)?"stopping":t.parked?"parked":n?"writing":"thinking"}#r(t){let n=t.running?null:Xe(t);this.fault.hidden=n===null;let s=n===null?"":`${n} ${t.last}`;if(this.fault.dataset.shown===s)return;this.fault.dataset.shown=s;let{words:i}=this.context,o=r("button",{type:"button",class:"plain",onclick:()=>this.context.retry(this.turnId)},f("again"),i.say("retry"));this.fault.replaceChildren(r("span",{},n===null?"":i.say(n)),...t.last?[o]:[]),this.fault.classList.toggle("calm",n==="stopped"||n==="noAnswer")}#a(t){let n=t.message?.sources??[];this.sources.hidden=n.length===0,this.sources.childElementCount!==n.length&&this.sources.replaceChildren(...n.map(s=>{let i=s.url===void 0?null:H(s.url),o=s.snippet??null;return i===null?r("li",{},r("span",{title:o},s.title)):r("li",{},r("a",{href:i,title:o,target:"_blank",rel:"noopener noreferrer nofollow"},s.title))}))}#u(t){if(this.foot.hidden=t.running||t.message===null,this.foot.hidden||t.message===null)return;let n=this.context.session.scores.get(t.message.message_id)??t.message.feedback?.score??0;this.good.setAttribute("aria-pressed",String(n===1)),this.bad.setAttribute("aria-pressed",String(n===-1)),this.again.hidden=!t.last||Xe(t)!==null,p(this.meta,Bn(t,this.context.words))}#o(){let{words:t}=this.context,n=g("copy",t.say("copy"),{class:"tiny",onclick:async()=>{await N(k(this.row?.message?.content??""))&&(n.replaceChildren(f("check")),this.context.announce(t.say("copied")))}});return n}#d(t,n,s){let{words:i}=this.context;return g(n,i.say(s),{class:"tiny","aria-pressed":"false",onclick:()=>{let o=this.row?.message?.message_id;o!==void 0&&(this.context.rate(o,t),this.context.announce(i.say("thanks")))}})}};function Xe(e){let t=e.details?.end;return t?.outcome==="failed"?A(t.code):t?.outcome==="cancelled"||e.message?.status==="cancelled"?"stopped":e.message?.status==="failed"?"failedPart":e.message===null?"noAnswer":null}function Bn(e,t){let n=e.details?.end,s=[];if(e.message!==null&&s.push(t.date(e.message.ts,{hour:"2-digit",minute:"2-digit"})),n?.duration_ms!==void 0){let i={style:"unit",unit:"second",maximumFractionDigits:1};s.push(t.number(n.duration_ms/1e3,i))}if(n?.usage?.total&&s.push(t.say("tokens",{count:t.number(n.usage.total)})),n?.cost_usd){let i={minimumFractionDigits:2,maximumFractionDigits:n.cost_usd<.01?5:3};s.push(t.number(n.cost_usd,{style:"currency",currency:"USD",...i}))}return n?.from_cache&&s.push(t.say("fromCache")),e.details?.model&&s.push(e.details.model),s.join(" · ")}function Mn(e){return[...e.querySelectorAll("p, li, h3, pre, th, td")].filter(t=>t.querySelector("p, li")===null).map(t=>t.textContent?.trim()??"").filter(t=>t!=="").join(". ")}function Un(){return r("span",{class:"dots","aria-hidden":"true"},r("i"),r("i"),r("i"))}var j=class{constructor(t){this.bubble=r("div",{class:"bubble",dir:"auto"}),this.state=r("div",{class:"saidstate",hidden:!0}),this.element=r("article",{class:"row user"},r("h2",{class:"sr"},t.words.say("you")),this.bubble,this.state)}update(t,n){p(this.bubble,t.text);let s=Hn(t,n);this.element.classList.toggle("unsent",t.outgoing!==null),this.state.dataset.shown!==s&&(this.state.dataset.shown=s,this.state.hidden=s==="",this.state.replaceChildren(...qn(t,n)))}},W=class{constructor(t){this.body=r("div",{class:"bubble",dir:"auto"}),this.element=r("article",{class:"row operator"},r("h2",{class:"sr"},t.words.say("operator")),r("p",{class:"saidby","aria-hidden":"true"},t.words.say("team")),this.body)}update(t){p(this.body,t.text)}};function Hn(e,t){return e.queued!==null?`queued ${e.queued}`:e.outgoing===null?"":e.outgoing.state==="refused"?`refused ${e.outgoing.error?.code}`:t.connected?e.outgoing.retryAt===void 0?"sending":"postponed":"away"}function qn(e,t){let{words:n}=t,{queued:s,outgoing:i}=e;return s!==null?[n.say("queued"),z(n.say("unqueue"),()=>t.cancel(s))]:i===null?[]:i.state==="refused"?[r("span",{class:"bad"},Gn(i,t)),z(n.say("resend"),()=>t.resend(i.cid)),z(n.say("discard"),()=>t.discard(i.cid))]:t.connected?[n.say(i.retryAt===void 0?"sending":"postponed")]:[n.say("unsent"),z(n.say("discard"),()=>t.discard(i.cid))]}function Gn(e,t){let n=e.error?.code;return n==="expired"?t.words.say("expired"):`${t.words.say("refused")}. ${t.explain(n)}`}function z(e,t){return r("button",{type:"button",class:"link",onclick:t},e)}var Kn=48,Pn=160,Fn=20,Q=class{constructor(t,n){this.words=t,this.loadOlder=n,this.views=new Map,this.older=r("button",{type:"button",class:"plain older",hidden:!0,onclick:n}),this.rows=r("div",{class:"rows"}),this.empty=r("div",{class:"empty",hidden:!0}),this.inner=r("div",{class:"inner"},this.older,this.empty,this.rows),this.scroller=r("div",{class:"scroller",tabindex:"0",role:"region","aria-label":t.say("conversation"),onscroll:()=>this.#r()},this.inner),this.jumpLabel=r("span"),this.jump=r("button",{type:"button",class:"jump",hidden:!0,"aria-label":t.say("newest"),onclick:()=>this.toEnd()},f("bottom"),this.jumpLabel),this.element=r("div",{class:"logframe"},this.scroller,this.jump),this.pinned=!0,this.fresh=!1,this.firstKey="",this.tail="",this.watcher=new ResizeObserver(()=>this.#s()),this.watcher.observe(this.inner),this.watcher.observe(this.scroller)}update(t,n,s){let i=this.pinned||t[0]?.key===this.firstKey?null:this.#i();this.firstKey=t[0]?.key??"";let o=zn(t),a=o!==this.tail;this.tail=o,this.#e(t,n),this.older.hidden=!s.more,p(this.older,this.words.say(s.loading?"loading":"older")),i!==null?this.scroller.scrollTop+=i.element.getBoundingClientRect().top-i.top:!this.pinned&&a&&(this.fresh=!0),this.#s(),this.#a()}toEnd(){this.pinned=!0,this.fresh=!1,this.#s(),this.#a()}#e(t,n){let s=new Set(t.map(o=>o.key));for(let[o,a]of this.views)s.has(o)||(a.element.remove(),this.views.delete(o));let i=this.rows.firstChild;for(let[o,a]of t.entries()){let d=this.views.get(a.key)??this.#t(a,n);d.update(a,n),d.element.classList.toggle("distant",o<t.length-Fn),d.element===i?i=i.nextSibling:this.rows.insertBefore(d.element,i)}}#t(t,n){let s=jn(t,n);return this.views.set(t.key,s),s}#i(){let t=this.scroller.getBoundingClientRect().top;for(let n of this.rows.children){let s=n.getBoundingClientRect();if(s.bottom>t)return{element:n,top:s.top}}return null}#s(){this.pinned&&(this.scroller.scrollTop=this.scroller.scrollHeight)}#r(){let{scrollTop:t,scrollHeight:n,clientHeight:s}=this.scroller;this.pinned=n-t-s<Kn,this.pinned?this.fresh=!1:t<Pn&&!this.older.hidden&&this.loadOlder(),this.#a()}#a(){this.jump.hidden=this.pinned,p(this.jumpLabel,this.fresh?this.words.say("newMessages"):"")}};function zn(e){let t=e.at(-1);return t===void 0?"":`${t.key} ${t.message?.content.length??0}`}function jn(e,t){switch(e.kind){case"user":return new j(t);case"answer":return new F(t);case"operator":return new W(t)}}function Ze(e,t,n,s){let i=JSON.stringify(n);if(e.dataset.shown===i)return;e.dataset.shown=i;let o=n.map(a=>r("li",{},r("button",{type:"button",class:"starter",onclick:()=>s(a)},a)));e.replaceChildren(r("p",{class:"greeting"},t.say("greeting")),r("p",{class:"faint"},t.say(n.length>0?"greetingHint":"greetingBare")),...o.length>0?[r("ul",{class:"starters"},...o)]:[])}var Wn="#0f6b63",Qn={light:[251,250,247],dark:[24,23,21]},$n=1e4,Yn={unauthorized:"stopUnauthorized",forbidden:"stopForbidden",erased:"stopErased",connections:"stopConnections",frames:"stopFrames",ended:"stopEnded"},fe=class extends HTMLElement{connectedCallback(){this.options=ge(this);let{options:t}=this;this.lifetime=new AbortController;let n=Ke([t.lang,...t.lang===void 0?navigator.languages:[]]),s=[t.lang,...navigator.languages].find(i=>i?.toLowerCase().startsWith(n));this.words=new R(n,s??n),this.server={},this.lang=s??n,this.#e(),this.#t(),this.#c(),this.#k(),this.connection?.start(),this.#i(),this.#m()}disconnectedCallback(){this.lifetime?.abort(),this.connection?.stop(),this.log?.watcher.disconnect(),this.shadowRoot?.replaceChildren()}open(){this.bubble?.open()}close(){this.bubble?.close()}#e(){let{options:t}=this,n=t.token!==void 0||t.ticketUrl!==void 0,s=t.user??(n?null:Z()),i=new C(s===null?null:`${s}.${t.session??"main"}`),o={newId:X,saved:i.load(),now:Date.now(),client:Jn(this.lang)};t.agent!==void 0&&(o.agent=t.agent),t.session!==void 0&&(o.name=t.session),this.session=new O(o),this.connection=new L({url:me(t.server),session:this.session,credential:()=>ke({userId:t.user,token:t.token,ticketUrl:t.ticketUrl}),save:a=>i.save(a)}),this.connection.addEventListener("change",()=>this.#d()),this.connection.addEventListener("notice",a=>{this.#l(this.words.say(A(a.detail.code)))})}#t(){let{words:t,options:n}=this,s=n.mode==="page";this.header=new U(t,{title:this.chatTitle,isPage:s,close:()=>this.close(),themed:()=>this.#x()}),this.log=new Q(t,()=>this.connection?.run(this.session.loadOlder())),this.composer=new B(t,{send:d=>this.#s(d),stop:()=>this.#r()}),this.bannerText=r("span"),this.bannerButton=r("button",{type:"button",class:"link",onclick:()=>this.#a()},t.say("tryNow")),this.banner=r("div",{class:"banner",hidden:!0,role:"status"},this.bannerText,this.bannerButton),this.notice=r("div",{class:"notice",hidden:!0,role:"alert"}),this.typing=r("p",{class:"typing",role:"status"}),this.voice=r("div",{class:"sr","aria-live":"polite",role:"log","aria-label":t.say("chat")});let i=r(s?"main":"div",{class:"body"},this.banner,this.log.element,this.typing,this.notice,this.composer.element),o=r("div",{class:"shell"},this.header.element,i,this.voice),a=this.shadowRoot??this.attachShadow({mode:"open"});a.adoptedStyleSheets=[Vn()],this.bubble=s?null:new D(t,o,()=>this.composer?.focus()),a.replaceChildren(this.bubble?.element??o),s&&(document.documentElement.lang=this.lang)}async#i(){let{options:t,lifetime:n}=this;if(t===void 0)return;let s=await be(t);n?.signal.aborted||(this.server=s,this.#d())}get chatTitle(){return this.options?.title??this.server?.title??"Prosa"}#s(t){this.#n(),this.log?.toEnd(),this.connection?.run(this.session.say(t,Date.now()))}#r(){let t=this.session.view?.turn?.turn_id??this.session.view?.queue[0]?.turn_id;t!==void 0&&this.connection?.run(this.session.cancel(t))}#a(){this.connection?.stopReason?this.connection.restart():this.connection?.wake()}#u(t){let{text:n,actions:s}=this.session.discard(t);this.connection?.run(s),this.#s(n)}#o(t){let{text:n,actions:s}=this.session.discard(t);this.connection?.run(s),this.composer?.giveBack(n)}#d(){this.frame===void 0&&(this.frame=requestAnimationFrame(()=>this.#m()))}#m(){this.frame=void 0;let{session:t,connection:n,words:s}=this;if(n===void 0||s===void 0)return;let i=Re(t.view,t.outbox.items),o=t.view!==null&&(t.view.turn!==null||t.view.queue.length>0),a=t.view?.turn?.turn_id??t.view?.queue[0]?.turn_id??"";this.header?.update({title:this.chatTitle,state:this.#g(),offline:this.#b()}),this.log?.update(i,this.#p(),{more:t.view?.more??!1,loading:t.loadingOlder}),this.composer?.update({running:o,stopping:t.isPending("turn.cancel",a),limit:t.limits.message_chars}),this.#_(i.length===0&&(t.view!==null||n.attempt>0)),this.#h(),p(this.typing,t.typing===null?"":s.say("typing")),this.bubble?.update({answers:i.filter(d=>d.kind==="answer"&&!d.running).length,live:t.phase==="live"}),this.options?.mode==="page"&&(document.title=this.chatTitle)}#p(){let{session:t,words:n}=this,s=i=>this.connection?.run(i);return{words:n,title:this.chatTitle,connected:t.phase==="live"||t.phase==="catching-up"||t.phase==="opening",session:t,retry:i=>s(t.retry(i)),cancel:i=>s(t.cancel(i)),rate:(i,o)=>s(t.rate(i,o)),respond:(i,o)=>s(t.respond(i,o)),resend:i=>this.#u(i),discard:i=>this.#o(i),announce:i=>this.#f(i),explain:i=>n.say(A(i))}}#g(){return this.connection?.stopReason?"stopEnded":this.session.phase==="live"?"online":this.session.view===null?"connecting":"reconnecting"}#b(){let t=[...this.session.view?.details.values()??[]].findLast(n=>n.provider!==void 0);return t===void 0?this.server?.offline===!0:t.provider==="offline"}#_(t){let{log:n,words:s}=this;n===void 0||s===void 0||(n.empty.hidden=!t,t&&Ze(n.empty,s,this.server?.starters?.[s.language]??[],i=>this.#s(i)))}#h(){let{banner:t,bannerText:n,connection:s,words:i}=this;if(!t||!n||!s||!i)return;let o=this.session.phase==="away"&&(s.attempt>=2||!navigator.onLine),a=s.stopReason?Yn[s.stopReason]:o?"away":null;t.hidden=a===null,t.classList.toggle("severe",s.stopReason!==null),p(n,a===null?"":i.say(a))}#f(t){let{voice:n}=this;if(!(n===void 0||t===""))for(n.append(r("p",{},t));n.childElementCount>5;)n.firstElementChild?.remove()}#l(t){let{notice:n}=this;if(n===void 0)return;let s=r("button",{type:"button",class:"quiet small","aria-label":"×",onclick:()=>this.#n()},f("cross"));n.replaceChildren(r("span",{},t),s),n.hidden=!1,clearTimeout(this.noticeTimer),this.noticeTimer=setTimeout(()=>this.#n(),$n)}#n(){clearTimeout(this.noticeTimer),this.notice!==void 0&&(this.notice.hidden=!0)}#c(){this.darkSystem=matchMedia("(prefers-color-scheme: dark)");let t=this.lifetime?.signal;this.darkSystem.addEventListener("change",()=>this.#x(),t===void 0?{}:{signal:t}),this.#x()}#x(){let t=this.header?.theme??"auto",n=t==="auto"?this.darkSystem?.matches?"dark":"light":t;this.dataset.theme=n,this.options?.mode==="page"&&(document.documentElement.dataset.theme=n);let s=te(this.options?.accent??"")??te(Wn)??[0,0,0],{fill:i,ink:o,onFill:a}=Le(s,Qn[n]);this.style.setProperty("--accent",i),this.style.setProperty("--accent-ink",o),this.style.setProperty("--on-accent",a)}#k(){let t=window.visualViewport;if(!t)return;let n=()=>{this.style.setProperty("--visible-height",`${t.height}px`),this.style.setProperty("--visible-top",`${t.offsetTop}px`)},s=this.lifetime===void 0?{}:{signal:this.lifetime.signal};t.addEventListener("resize",n,s),t.addEventListener("scroll",n,s),n()}options;lifetime;connection;header;log;composer;frame;noticeTimer},$;function Vn(){return $===void 0&&($=new CSSStyleSheet,$.replaceSync(Pe)),$}function Jn(e){return{name:"prosa-web",version:"1.0.0",locale:e,tz:Intl.DateTimeFormat().resolvedOptions().timeZone}}function et(){customElements.get("prosa-chat")===void 0&&customElements.define("prosa-chat",fe)}var Y=document.currentScript;function tt(e){let t=document.createElement("prosa-chat");for(let n of J){let s=e.getAttribute(`data-${n}`);s!==null&&t.setAttribute(n,s)}t.hasAttribute("server")||t.setAttribute("server",new URL(".",e.src).href),document.body.append(t)}et();Y instanceof HTMLScriptElement&&Y.dataset.mode!=="none"&&(document.readyState==="loading"?addEventListener("DOMContentLoaded",()=>tt(Y)):tt(Y));})();
