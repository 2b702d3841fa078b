import type { Logger, Pando } from '@pando/core';
import type { WsRoute } from '@pando/core/http';
import { clientFiles, publicFolder } from './assets.js';
import { authRoutes } from './auth/auth-routes.js';
import { AuthService } from './auth/auth-service.js';
import { Gate } from './auth/gate.js';
import { Sessions } from './auth/session.js';
import { chatRoutes, chatSockets, type Participant } from './chat/chat-routes.js';
import { ChatService } from './chat/chat-service.js';
import { commentRoutes } from './comments/comment-routes.js';
import { CommentService } from './comments/comment-service.js';
import type { Config } from './config.js';
import { pageRoutes } from './http/page-routes.js';
import type { Route } from './http/route.js';
import { instanceRoutes } from './instances/instance-routes.js';
import { likeRoutes } from './likes/like-routes.js';
import { LikeService } from './likes/like-service.js';
import { postRoutes } from './posts/post-routes.js';
import { PostService } from './posts/post-service.js';
import { readerRoutes } from './readers/reader-routes.js';

/** The whole application, for whichever framework serves it. */
export interface Blog {
  readonly pando: Pando;
  readonly config: Config;
  readonly logger: Logger;
  readonly sessions: Sessions;
  readonly routes: readonly Route[];
  readonly sockets: readonly WsRoute<Participant>[];
}

/** Puts the features together. */
export function createBlog(pando: Pando, config: Config, logger: Logger, jwtSecret: string): Blog {
  const sessions = new Sessions(jwtSecret);
  const posts = new PostService(pando, jwtSecret);
  const comments = new CommentService(pando, posts, jwtSecret);
  const likes = new LikeService(pando);
  const chat = {
    chat: new ChatService(pando),
    limits: pando.limits,
    posts,
    sessions,
    requiresLogin: config.chatRequiresLogin,
  };
  return {
    pando,
    config,
    logger,
    sessions,
    routes: [
      ...authRoutes(new AuthService(pando.db), sessions, new Gate(pando.limits)),
      ...postRoutes(posts, likes),
      ...likeRoutes(likes),
      ...commentRoutes(comments),
      ...chatRoutes(chat),
      ...readerRoutes(pando, posts),
      ...instanceRoutes(pando),
      ...pageRoutes(publicFolder, clientFiles),
    ],
    sockets: chatSockets(chat),
  };
}
